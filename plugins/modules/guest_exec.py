#!/usr/bin/python
# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: guest_exec
short_description: Run commands in guests through the QEMU guest agent
version_added: 0.1.0
author: virtnet.qemu contributors (@virtnet)
description:
  - Runs a program in a running guest, as M(ansible.builtin.command) does on a host. The guest needs no network, no SSH
    and no Python, only C(qemu-guest-agent).
  - Runs many commands in many guests at the same time, when they are listed under O(config).
  - There is no shell in between; name one in O(argv) where you need it.
options:
  name:
    description: The guest.
    type: str
  argv: &argv
    description: The program, found by the agent's C(PATH), and its arguments.
    type: list
    elements: str
  socket: &socket
    description:
      - Absolute path of the unix socket on the host that is the guest's port C(org.qemu.guest_agent.0).
      - Default is C(/run/virtnet/guests/NAME/agent.sock).
    type: path
  stdin: &stdin
    description: What the program reads from its standard input, as it is. Without it, it reads nothing.
    type: str
    aliases: [input]
  expected_rc: &expected_rc
    description: The exit statuses that are a success.
    type: list
    elements: int
    default: [0]
  config:
    description:
      - Several commands, in any guests, run at the same time; also those in one guest.
      - The task fails when one of them fails, after all have ended.
    type: list
    elements: dict
    suboptions:
      name:
        description: The guest.
        type: str
        required: true
      argv:
        <<: *argv
        required: true
      socket: *socket
      stdin: *stdin
      expected_rc: *expected_rc
  timeout:
    description:
      - Seconds from the start of the task until all commands must have ended. The agent is waited for in this time, so
        a guest may still be booting.
      - A command that still runs then is left running in the guest.
    type: float
    default: 60
attributes:
  check_mode:
    description: The task is skipped, since nobody knows what a command would do.
    support: partial
    details: Nothing is run.
  diff_mode:
    description: A command has no before and after.
    support: none
  idempotent:
    description: A second run with the same options changes nothing.
    support: none
    details: A command is run each time; say C(changed_when) in the task if it changes nothing.
  platform:
    description: Where the module runs.
    support: full
    platforms: linux
requirements:
  - qemu.qmp, of the module's Python or in the virtual environment C(/opt/virtnet/venv), which the role
    P(virtnet.qemu.host_setup#role) makes
  - root on the managed host, or the right to open the socket
notes:
  - QEMU serves one client of the socket at a time. Another program that holds it makes this module wait.
  - An output is kept up to about 7 MB.
seealso:
  - module: virtnet.qemu.micro_guest
  - module: ansible.builtin.command
"""

EXAMPLES = r"""
- name: Which addresses has the guest?
  virtnet.qemu.guest_exec:
    name: web1
    argv: [ip, address]
  changed_when: false

- name: Who reaches whom? (ping's 1 is "no answer", not a failure)
  virtnet.qemu.guest_exec:
    config:
      - {name: web1, argv: [ping, -c1, -W2, 192.168.4.12], expected_rc: [0, 1]}
      - {name: web2, argv: [ping, -c1, -W2, 192.168.4.11], expected_rc: [0, 1]}
    timeout: 90
  changed_when: false
  register: pings

- name: With a shell
  virtnet.qemu.guest_exec:
    name: web1
    argv: [sh, -c, 'cat > /etc/motd']
    stdin: |
      Changed by Ansible.

- name: A guest of another making
  virtnet.qemu.guest_exec:
    name: other
    socket: /run/other/agent.sock
    argv: [uptime]
  changed_when: false
"""

RETURN = r"""
cmd:
  description: The command.
  returned: with O(argv), when it was run
  type: list
  elements: str
  sample: [ip, address]
rc:
  description: Its exit status, or the negative number of the signal that ended it.
  returned: with O(argv), when it was run
  type: int
  sample: 0
stdout:
  description: Its standard output, without the line break at the end. Bytes that are not UTF-8 are replaced.
  returned: with O(argv), when it was run
  type: str
stderr:
  description: Its standard error, in the same form.
  returned: with O(argv), when it was run
  type: str
start:
  description: When it was started, by the host's clock.
  returned: with O(argv), when it was run
  type: str
  sample: '2026-11-21 07:14:14.000000'
end:
  description: When its end was seen, by the host's clock.
  returned: with O(argv), when it was run
  type: str
  sample: '2026-11-21 07:14:14.120000'
delta:
  description: The time between.
  returned: with O(argv), when it was run
  type: str
  sample: '0:00:00.120000'
results:
  description:
    - With O(config), one element for each command, in the same order. Each has C(name), C(cmd), C(rc), C(stdout),
      C(stderr), C(start), C(end), C(delta) and C(failed), and where it failed C(msg).
    - C(rc) is null for a command that could not be run, or did not end in time.
  returned: with O(config)
  type: list
  elements: dict
"""

import copy

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.virtnet.qemu.plugins.module_utils._host import agent
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.base import SpecError
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.guest_exec import Command, report, summary

COMMAND = {
    "name": {"type": "str"},
    "argv": {"type": "list", "elements": "str"},
    "socket": {"type": "path"},
    "stdin": {"type": "str", "aliases": ["input"]},
    "expected_rc": {"type": "list", "elements": "int", "default": [0]},
}


def main() -> None:
    element = copy.deepcopy(COMMAND)
    element["name"]["required"] = element["argv"]["required"] = True
    module = AnsibleModule(
        argument_spec={
            **COMMAND,
            "config": {"type": "list", "elements": "dict", "options": element},
            "timeout": {"type": "float", "default": 60},
        },
        mutually_exclusive=[("config", "name"), ("config", "argv"), ("config", "socket"), ("config", "stdin")],
        required_one_of=[("config", "name")],
        required_together=[("name", "argv")],
        supports_check_mode=True,
    )
    if agent.IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("qemu.qmp"), exception=agent.IMPORT_ERROR)
    many = module.params["config"] is not None
    try:
        commands = [Command.parse(entry) for entry in (module.params["config"] if many else [module.params])]
    except SpecError as exc:
        module.fail_json(msg=str(exc))
    if module.check_mode:
        module.exit_json(skipped=True, changed=False, msg="A command in a guest is not run in check mode")

    outcomes = agent.run_all(commands, module.params["timeout"])
    for command, outcome in zip(commands, outcomes):
        if outcome.truncated:
            module.warn(f"guest '{command.guest}': the agent cut the output of '{' '.join(command.argv)}'")
    results = [report(command, outcome) for command, outcome in zip(commands, outcomes)]
    changed = any(outcome.rc is not None for outcome in outcomes)
    if not many:
        module.exit_json(changed=changed, **results[0])
    failed = any(result["failed"] for result in results)
    module.exit_json(changed=changed, results=results, failed=failed, **({"msg": summary(results)} if failed else {}))


if __name__ == "__main__":
    main()
