#!/usr/bin/python
# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: neighbour_probe
short_description: Ask from the LAN whether guests of another host are reached
version_added: 0.1.0
author: virtnet.qemu contributors (@virtnet)
description:
  - Pings guests, or the probes of M(virtnet.qemu.network_probe), from a host that is on the same LAN as theirs, and
    compares with what their networks promise.
  - Pings where the routes lead, and with O(via) also by the guests' host, whether or not there is a route.
options:
  config:
    description: Whom to ask; RV(virtnet.qemu.network_probe#module:neighbour_targets) has this form.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the network.
        type: str
        required: true
      address:
        description: Address of the guest.
        type: str
        required: true
      reached:
        description: Whether it is to be reached.
        type: bool
        required: true
  via:
    description: Address of the guests' host on this LAN; one of each IP version.
    type: list
    elements: str
    default: []
  timeout:
    description: Seconds after which what does not answer is not reached. Each question is repeated in that time.
    type: float
    default: 2
extends_documentation_fragment:
  - virtnet.qemu.common.look
attributes:
  check_mode:
    description: Says what would be checked.
    support: full
requirements:
  - Python library netaddr
  - the program ip (iproute2)
  - root on the managed host
notes:
  - Broken promises do not make the module fail; they are in RV(broken).
seealso:
  - module: virtnet.qemu.network_probe
"""

EXAMPLES = r"""
- name: Is the guest of the NAT network out of reach?
  virtnet.qemu.neighbour_probe:
    config:
      - {name: lab, address: 192.168.4.11, reached: false}
    via: [192.0.2.10]
  delegate_to: other.example.org
  register: asked
  failed_when: asked.broken != ""
"""

RETURN = r"""
results:
  description: One element for each address, as those of M(virtnet.qemu.network_probe).
  returned: always
  type: list
  elements: dict
table:
  description: The same as a text to be read.
  returned: always
  type: str
broken:
  description: One sentence about the promises that are not kept, empty when all are.
  returned: always
  type: str
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.virtnet.qemu.plugins.module_utils._host import libraries, neighbour_probe
from ansible_collections.virtnet.qemu.plugins.module_utils._host.errors import HostError
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.base import SpecError
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.probe_neighbour import ARGUMENT_SPEC


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    libraries.find_more()
    try:
        result = neighbour_probe.run(module.params, module.check_mode)
    except ImportError as exc:
        module.fail_json(msg=missing_required_lib((exc.name or str(exc)).partition(".")[0]))
    except (SpecError, HostError) as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
