#!/usr/bin/python
# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: address
short_description: Put more addresses on an interface that belongs to somebody else
version_added: 0.1.0
author: virtnet.qemu contributors (@virtnet)
description:
  - Adds addresses to an interface that is not managed by this collection, such as a physical NIC whose further
    addresses 1:1 NAT leads to guests.
  - Only what this module added is ever removed. IPv4 addresses of its own carry the label V(NAME:vn), where that has
    at most 15 bytes; of all others it keeps a note in C(/run/virtnet), since the kernel has no mark for them.
  - An address that is there already is left as it is, and to whoever put it there.
extends_documentation_fragment:
  - virtnet.qemu.common
  - virtnet.qemu.common.persist
  - virtnet.qemu.common.netlink
options:
  name:
    description: Name of the interface.
    type: str
  netns: &netns
    description: An existing network namespace that holds the interface. Default is the host's own.
    type: str
  addresses: &addresses
    description:
      - IPv4 and IPv6 addresses with prefix length, for example V(192.0.2.20/24).
      - With O(state=absent) those to remove; without any, all that this module added.
    type: list
    elements: str
  state: &state
    description: Whether the addresses are to be there.
    type: str
    choices: [present, absent]
    default: present
  config:
    description: Many interfaces, with the same options, as one transaction.
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the interface.
        type: str
        required: true
      netns: *netns
      addresses: *addresses
      state: *state
seealso:
  - module: virtnet.qemu.nat_rule
  - module: virtnet.qemu.bridge
"""

EXAMPLES = r"""
- name: Two more addresses for guests on the uplink
  virtnet.qemu.address:
    name: enp3s0
    addresses: [192.0.2.20/24, 2001:db8:1::20/64]

- name: Remove what was added, and nothing else
  virtnet.qemu.address:
    name: enp3s0
    state: absent
"""

RETURN = r"""
commands:
  description: The changes as a person would type them; in check mode those that would be made.
  returned: success
  type: list
  elements: str
  sample: ["ip address add 192.0.2.20/24 dev enp3s0 label enp3s0:vn"]
before:
  description: The changed interfaces with the addresses that this module had added to them.
  returned: success
  type: list
  elements: dict
after:
  description: The changed interfaces with the addresses that this module has added to them.
  returned: success
  type: list
  elements: dict
repaired:
  description:
    - What had been changed by hand since an earlier run, and was put right; in check mode what would be.
    - See the collection's docs/drift.md for what is known of earlier runs. A warning says the same.
  returned: success
  type: list
  elements: str
  sample: ["address enp3s0: address 192.0.2.20/32 was gone"]
"""

from ansible_collections.virtnet.qemu.plugins.module_utils._boot import Boot
from ansible_collections.virtnet.qemu.plugins.module_utils._host.netlink import Netlink
from ansible_collections.virtnet.qemu.plugins.module_utils._reconcile import run_module
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.extra_address import ExtraAddress


def main() -> None:
    run_module(ExtraAddress, Netlink, Boot)


if __name__ == "__main__":
    main()
