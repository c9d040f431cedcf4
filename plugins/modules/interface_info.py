#!/usr/bin/python
# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: interface_info
short_description: The addresses of a host's interfaces
version_added: 0.1.0
author: virtnet.qemu contributors (@virtnet)
description:
  - Tells which address each interface of a host has, in one look at all of them.
  - Ansible's own facts look at each interface by several programs, which takes a host with a thousand bridges a minute.
  - Link-local addresses of IPv6 are left out, since every interface has one.
extends_documentation_fragment:
  - virtnet.qemu.common.look
attributes:
  check_mode:
    description: Nothing is changed.
    support: full
seealso:
  - plugin: virtnet.qemu.network_resources
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Look at the host's addresses
  virtnet.qemu.interface_info:
  register: there
"""

RETURN = r"""
addresses:
  description: One element for each address.
  returned: success
  type: list
  elements: dict
  sample: [{interface: lo, address: 127.0.0.1/8}, {interface: enp3s0, address: 192.0.2.10/24}]
  contains:
    interface:
      description: Name of the interface.
      type: str
    address:
      description: The address with its prefix length.
      type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.virtnet.qemu.plugins.module_utils._host import interfaces
from ansible_collections.virtnet.qemu.plugins.module_utils._host.errors import HostError


def main() -> None:
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    try:
        addresses = interfaces.addresses()
    except HostError as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(changed=False, addresses=addresses)


if __name__ == "__main__":
    main()
