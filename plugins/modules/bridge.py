#!/usr/bin/python
# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: bridge
short_description: Make, change and remove network bridges
version_added: 0.1.0
author: virtnet.qemu contributors (@virtnet)
description:
  - Manages Linux bridges with their ports and addresses, by netlink.
  - A bridge is changed in place and never re-made, so guests stay attached.
  - A bridge is always brought up.
  - An option that is not given is left as it is; on a new bridge the kernel's default holds.
  - With O(uplink) the host's addresses and routes move between the physical NIC and the bridge, so that the host
    stays on its LAN and open connections survive. Everything is on the new interface before it leaves the old one,
    so a run that is killed loses nothing, and the next one completes it.
extends_documentation_fragment:
  - virtnet.qemu.common
  - virtnet.qemu.common.persist
  - virtnet.qemu.common.netlink
options:
  name:
    description: Name of the bridge, at most 15 bytes.
    type: str
  netns: &netns
    description: An existing network namespace that holds the bridge. Default is the host's own.
    type: str
  ports: &ports
    description:
      - Interfaces that are ports of the bridge; they must exist, and are brought up when they join.
      - Other ports, such as guests' taps, are left alone unless O(purge_ports=true).
    type: list
    elements: str
  purge_ports: &purge_ports
    description: Take every port that O(ports) does not list off the bridge.
    type: bool
    default: false
  uplink: &uplink
    description:
      - The physical NIC that becomes a port of the bridge. An empty text takes the uplink away again.
      - The bridge takes over the NIC's MAC address (unless O(mac) is given), all its addresses but the link-local ones,
        its routes in every routing table, and what it does with router advertisements.
      - All of it goes back to the NIC when the uplink is taken away or the bridge removed, with what came to the bridge
        meanwhile (a DHCP lease, a route), but without the addresses listed under O(addresses).
      - With O(stp=true) the NIC forwards nothing for twice O(forward_delay), and the host is away from its LAN so long.
    type: str
  uplink_addresses: &uplink_addresses
    description:
      - What becomes of the addresses and routes that the O(uplink) has when it joins.
      - With V(flush) they are removed, for a bridge that gets its address otherwise, as by DHCP.
    type: str
    choices: [move, flush]
    default: move
  addresses: &addresses
    description:
      - IPv4 and IPv6 addresses with prefix length, for example V(192.168.4.1/24) and V(fd00:4::1/64).
      - The list is complete, so another permanent address is removed.
      - Addresses by DHCP or SLAAC and link-local ones stay, and so do those that came from the O(uplink).
    type: list
    elements: str
  stp: &stp
    description: Run the spanning tree protocol. The kernel's default is V(false).
    type: bool
  forward_delay: &forward_delay
    description:
      - Seconds that a port listens and learns before it forwards, from 0 to 30, with O(stp=true) from 2.
      - The kernel's default is 15.
    type: int
  ageing_time: &ageing_time
    description:
      - Seconds after which an unseen MAC address is forgotten; V(0) forgets at once.
      - The kernel's default is 300.
    type: int
  mac: &mac
    description: MAC address of the bridge. Without one the kernel picks one and changes it as ports come and go.
    type: str
  mtu: &mtu
    description: Largest packet in bytes, from 68 to 65535. Without one the kernel takes the smallest of the ports.
    type: int
  vlan_filtering: &vlan_filtering
    description: Filter by VLAN. Needs a kernel with bridge VLAN filtering. The kernel's default is V(false).
    type: bool
  adopt: &adopt
    description: Take over a bridge that something else made, and ports that belong to another bridge.
    type: bool
    default: false
  state: &state
    description: Whether the bridge is to exist.
    type: str
    choices: [present, absent]
    default: present
  config:
    description: Many bridges, with the same options, as one transaction.
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the bridge, at most 15 bytes.
        type: str
        required: true
      netns: *netns
      ports: *ports
      purge_ports: *purge_ports
      uplink: *uplink
      uplink_addresses: *uplink_addresses
      addresses: *addresses
      stp: *stp
      forward_delay: *forward_delay
      ageing_time: *ageing_time
      mac: *mac
      mtu: *mtu
      vlan_filtering: *vlan_filtering
      adopt: *adopt
      state: *state
seealso:
  - module: virtnet.qemu.tap
  - module: virtnet.qemu.veth
"""

EXAMPLES = r"""
- name: A host-only bridge without any physical port
  virtnet.qemu.bridge:
    name: br0
    addresses: [192.168.4.1/24, fd00:4::1/64]
    stp: true
    forward_delay: 2

- name: Two bridges in one transaction
  virtnet.qemu.bridge:
    config:
      - {name: br-lab, addresses: [192.168.5.1/24]}
      - {name: br-back, mtu: 9000}

- name: A bridge into the LAN, by the NIC that the host itself uses
  virtnet.qemu.bridge:
    name: br-lan
    uplink: enp3s0

- name: Give the NIC back what it had
  virtnet.qemu.bridge:
    name: br-lan
    state: absent

- name: Take the bridge away again
  virtnet.qemu.bridge:
    name: br0
    state: absent
"""

RETURN = r"""
commands:
  description: The changes as a person would type them; in check mode those that would be made.
  returned: success
  type: list
  elements: str
  sample: [ip link add dev br0 type bridge stp_state 1, ip address add 192.168.4.1/24 dev br0]
before:
  description: The changed resources as they were; one that did not exist is left out.
  returned: success
  type: list
  elements: dict
after:
  description: The changed resources as they are now; one that was removed is left out.
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
  sample: ["bridge br-lab: address 192.168.4.1/24 was gone"]
"""

from functools import partial

from ansible_collections.virtnet.qemu.plugins.module_utils._boot import Boot
from ansible_collections.virtnet.qemu.plugins.module_utils._host import managers
from ansible_collections.virtnet.qemu.plugins.module_utils._host.netlink import Netlink
from ansible_collections.virtnet.qemu.plugins.module_utils._reconcile import run_module
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.bridge import Bridge


def main() -> None:
    run_module(Bridge, Netlink, partial(Boot, managers=managers.ALL))


if __name__ == "__main__":
    main()
