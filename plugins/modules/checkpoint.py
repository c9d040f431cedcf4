#!/usr/bin/python
# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: checkpoint
short_description: Let the host take back network changes that lock you out
version_added: 0.1.0
author: virtnet.qemu contributors (@virtnet)
description:
  - Before tasks that may cut off the host, O(state=armed) saves its network and starts a timer on the host itself.
  - After them, O(state=confirmed) stops the timer. It comes through only over a connection that was opened after the
    changes, so it says that the host is still to be reached.
  - Otherwise the host restores everything by itself when the time is over, whatever became of the connection, of the
    controller or of a module; also when it was rebooted meanwhile, where systemd runs it.
  - Saved are interfaces and their settings, names of namespaces, addresses, routes, policy rules, kernel parameters
    below C(net), rules of nftables and iptables, and the files of systemd-networkd, ifupdown, netplan, NetworkManager
    and of this collection.
options:
  state:
    description:
      - V(armed) saves what there is and starts the timer. There is one checkpoint at a time.
      - V(confirmed) opens a new connection, then keeps what was changed. It fails when the host has restored itself
        meanwhile, and when nothing is armed.
      - V(restored) restores at once, without waiting for the timer; nothing happens when nothing is armed.
    type: str
    choices: [armed, confirmed, restored]
    required: true
  timeout:
    description:
      - With O(state=armed), seconds until the host restores itself, from 1 to 86400.
      - With O(state=confirmed), seconds for which a new connection is tried again and again.
    type: int
    default: 60
  probe:
    description:
      - With O(state=confirmed), a program and its arguments that are run on the host first, without a shell in between.
      - Unless it ends with 0 nothing is confirmed, and the timer goes on.
    type: list
    elements: str
  by:
    description:
      - With O(state=armed), who arms it, for messages.
      - Default is user and name of the controller.
    type: str
attributes:
  check_mode:
    description: Says whether it would change something. Nothing is armed, confirmed or restored.
    support: full
  diff_mode:
    description: There is nothing to compare.
    support: none
  idempotent:
    description: A second run with the same options changes nothing.
    support: partial
    details: O(state=restored) does. What is armed cannot be armed again, and what is confirmed cannot be again.
  platform:
    description: Where the module runs.
    support: full
    platforms: linux
requirements:
  - root on the managed host
  - Python 3.9 or newer, on the managed host as C(/usr/bin/python3) if it is to outlive virtual environments
  - the program ip (iproute2); nft and iptables where there are such rules
notes:
  - The contents of namespaces, what processes do, and files other than those named above are not saved. A guest that
    was started since loses its tap.
  - Saved files may hold secrets. They are kept below C(/var/lib/virtnet/checkpoint), which only root can read, until
    the checkpoint is confirmed or restored.
  - When nobody was told that the host had restored itself, the next O(state=armed) warns of it.
"""

EXAMPLES = r"""
- name: Change the network, and be able to go back
  block:
    - name: From now on the host restores itself, unless somebody confirms
      virtnet.qemu.checkpoint:
        state: armed
        timeout: 90

    - name: Move the host's addresses to a bridge
      virtnet.qemu.bridge:
        name: br-lan
        uplink: uplink0

    - name: Keep it, as the host can still be reached and reaches its gateway
      virtnet.qemu.checkpoint:
        state: confirmed
        probe: [ping, -c1, -W5, 192.0.2.1]
  rescue:
    - name: Do not wait for the timer
      virtnet.qemu.checkpoint:
        state: restored
"""

RETURN = r"""
armed:
  description: Whether the checkpoint is armed after the task.
  returned: success
  type: bool
until:
  description: When the host will restore itself.
  returned: with O(state=armed)
  type: str
  sample: 2026-11-21 18:30:00 +0000
restored:
  description: What became of a checkpoint whose host restored itself; null when there is nothing to tell.
  returned: with O(state=armed) and O(state=restored)
  type: dict
  contains:
    by:
      description: Who had armed it.
      type: str
      returned: always
    armed:
      description: When.
      type: str
      returned: always
    restored:
      description: When the host restored itself.
      type: str
      returned: always
    reason:
      description: Why.
      type: str
      returned: always
    commands:
      description: What it did, as a person would type it.
      type: list
      elements: str
      returned: always
    failed:
      description: Those of them that failed, and why. They may have been made good by others.
      type: list
      elements: str
      returned: always
    differs:
      description: What would still have to be done to be as before.
      type: list
      elements: str
      returned: always
commands:
  description: The changes as a person would type them; in check mode those that would be made.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.virtnet.qemu.plugins.module_utils._host import checkpoint
from ansible_collections.virtnet.qemu.plugins.module_utils._host.errors import HostError
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.base import SpecError
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.checkpoint import ARGUMENT_SPEC


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    try:
        result = checkpoint.run(module.params, module.check_mode)
    except (SpecError, HostError) as exc:
        module.fail_json(msg=str(exc))
    for warning in result.pop("warnings"):
        module.warn(warning)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
