#!/usr/bin/python
# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: nic_guard
short_description: Keep guests from sending with addresses that are not theirs
version_added: 0.1.0
author: virtnet.qemu contributors (@virtnet)
description:
  - Drops what comes from behind a tap with another MAC address than its NIC's, in the frame or in ARP.
  - Where O(addresses) has addresses of a version of IP, drops what has another source of that version, and what claims
    another in ARP or in a neighbour advertisement. A guest can still ask for an address by DHCP, and find out whether
    an address is in use.
  - Drops what DHCP servers and IPv6 routers say, so that no guest can pose as one.
  - Packets are seen where they enter a bridge, also those to the host. The rules go by the name of the tap, so they
    hold for one that is not there yet, and for one that is made anew.
  - The rules are in the table C(virtnet_guard) of nftables' family bridge, and nothing else is touched. A rule of
    someone else in there is removed. All changes of a run are one transaction.
extends_documentation_fragment:
  - virtnet.qemu.common
  - virtnet.qemu.common.persist
options:
  name:
    description: Name of the tap, or of whatever port of a bridge the packets come from.
    type: str
  netns: &netns
    description: An existing network namespace that holds the bridge and the rules. Default is the host's own.
    type: str
  mac: &mac
    description: MAC address of the NIC, needed unless O(state=absent).
    type: str
  addresses: &addresses
    description:
      - The NIC's own IPv4 and IPv6 addresses. Of a version without any, all may come from there.
      - Link-local IPv6 addresses, which guests give themselves, are not looked at unless one of them is in this list.
    type: list
    elements: str
    default: []
  guest: &guest
    description: The guest whose NIC that is, for O(exclusive). It is shown by C(nft list table bridge virtnet_guard).
    type: str
  exclusive:
    description: Remove the guards of other NICs of the listed guests; it holds for the whole run.
    type: bool
    default: false
  state: &state
    description: Whether the NIC is guarded.
    type: str
    choices: [present, absent]
    default: present
  config:
    description: Many NICs, with the same options, as one transaction.
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the tap, or of whatever port of a bridge the packets come from.
        type: str
        required: true
      netns: *netns
      mac: *mac
      addresses: *addresses
      guest: *guest
      state: *state
requirements:
  - nftables (C(nft) 1.0.6 or newer); there is no iptables backend, since iptables does not see what passes a bridge
seealso:
  - module: virtnet.qemu.qemu_guest
  - module: virtnet.qemu.tap
notes:
  - The cost of a packet does not grow with the number of guards.
  - A guest that is a router, a bridge or a DHCP server for others, or has hosts behind it, cannot be guarded.
"""

EXAMPLES = r"""
- name: A NIC whose addresses are known
  virtnet.qemu.nic_guard:
    name: web1-0
    mac: '52:54:00:12:34:56'
    addresses: [192.168.4.11, 'fd00:4::11']

- name: All NICs of two guests, and no others of theirs
  virtnet.qemu.nic_guard:
    exclusive: true
    config:
      - {name: web1-0, guest: web1, mac: '52:54:00:12:34:56', addresses: [192.168.4.11]}
      - {name: web2-0, guest: web2, mac: '52:54:00:12:34:57'}

- name: Let a guest send what it likes again
  virtnet.qemu.nic_guard:
    name: web1-0
    state: absent
"""

RETURN = r"""
commands:
  description: The changes as a person would type them; in check mode those that would be made.
  returned: success
  type: list
  elements: str
  sample:
    - >-
      nft 'add element bridge virtnet_guard macs { "web1-0" . 52:54:00:12:34:56 }'
before:
  description: The rules and the elements of sets that differ, as they were; what did not exist is left out.
  returned: success
  type: list
  elements: dict
after:
  description: The rules and the elements of sets that differ, as they are now; what was removed is left out.
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
  sample: ["rules of virtnet_guard: all were gone"]
"""

from ansible_collections.virtnet.qemu.plugins.module_utils._boot import Boot
from ansible_collections.virtnet.qemu.plugins.module_utils._host.packet_rules import PacketRules
from ansible_collections.virtnet.qemu.plugins.module_utils._reconcile import run_module
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.guard_table import LAYOUTS, NicGuards


def main() -> None:
    run_module(NicGuards, lambda: PacketRules(LAYOUTS), Boot)


if __name__ == "__main__":
    main()
