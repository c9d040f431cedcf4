#!/usr/bin/python
# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: veth
short_description: Make, change and remove veth pairs between namespaces and bridges
version_added: 0.1.0
author: virtnet.qemu contributors (@virtnet)
description:
  - Manages pairs of virtual Ethernet interfaces. Each end has its own namespace, its final name there,
    addresses, routes and bridge.
  - A pair is recognised by either end, in its final place or where C(ip link add) leaves it, so a pair that is half
    moved or renamed by hand or by a killed run is completed.
  - An end that has to be moved or renamed keeps only those addresses and routes that are listed.
  - Both ends are always brought up.
extends_documentation_fragment:
  - virtnet.qemu.common
  - virtnet.qemu.common.persist
  - virtnet.qemu.common.netlink
options:
  name:
    description:
      - First name of this end, at most 15 bytes; the name of the pair.
      - It is also the final name unless O(ifname) says otherwise.
    type: str
  netns: &netns
    description: An existing network namespace for this end. Default is the host's own.
    type: str
  ifname: &ifname
    description: Final name of this end in its namespace. The default is O(name).
    type: str
  addresses: &addresses
    description:
      - IPv4 and IPv6 addresses of this end, with prefix length.
      - The list is complete, so another permanent address is removed.
      - Addresses by DHCP or SLAAC and link-local ones stay.
    type: list
    elements: str
  bridge: &bridge
    description: A bridge in this end's namespace that has this end as a port.
    type: str
  mac: &mac
    description: MAC address of this end. Without one the kernel picks one.
    type: str
  mtu: &mtu
    description: Largest packet in bytes, from 68 to 65535. The kernel's default is 1500.
    type: int
  routes: &routes
    description:
      - Static routes of the main table through this end.
      - The list is complete, so another static route is removed. Routes by the kernel, DHCP or a routing daemon stay.
    type: list
    elements: dict
    suboptions:
      dst:
        description: Destination network, or V(default).
        type: str
        required: true
      gateway:
        description: Next hop; without one the destination is on the link.
        type: str
      metric:
        description: Priority; the lowest wins. The kernel's default is 0 for IPv4 and 1024 for IPv6.
        type: int
  peer: &peer
    description: The other end. Needed unless O(state=absent).
    type: dict
    suboptions:
      name:
        description: First name of the other end, at most 15 bytes.
        type: str
        required: true
      netns: *netns
      ifname: *ifname
      addresses: *addresses
      bridge: *bridge
      mac: *mac
      mtu: *mtu
      routes: *routes
  adopt: &adopt
    description: Take over a pair that something else made.
    type: bool
    default: false
  state: &state
    description: Whether the pair is to exist. Removing one end removes both.
    type: str
    choices: [present, absent]
    default: present
  config:
    description: Many pairs, with the same options, as one transaction.
    type: list
    elements: dict
    suboptions:
      name:
        description: First name of this end, at most 15 bytes; the name of the pair.
        type: str
        required: true
      netns: *netns
      ifname: *ifname
      addresses: *addresses
      bridge: *bridge
      mac: *mac
      mtu: *mtu
      routes: *routes
      peer: *peer
      adopt: *adopt
      state: *state
seealso:
  - module: virtnet.qemu.netns
  - module: virtnet.qemu.bridge
"""

EXAMPLES = r"""
- name: Two namespaces
  virtnet.qemu.netns:
    config: [{name: red}, {name: blue}]

- name: Join them, each end called eth0 in its namespace
  virtnet.qemu.veth:
    name: veth-red
    netns: red
    ifname: eth0
    addresses: [10.0.9.1/24]
    peer:
      name: veth-blue
      netns: blue
      ifname: eth0
      addresses: [10.0.9.2/24]
      routes:
        - {dst: default, gateway: 10.0.9.1}

- name: Take the pair away again
  virtnet.qemu.veth:
    name: veth-red
    netns: red
    ifname: eth0
    state: absent
"""

RETURN = r"""
commands:
  description: The changes as a person would type them; in check mode those that would be made.
  returned: success
  type: list
  elements: str
  sample: [ip -n red link add dev eth0 type veth peer name eth0 netns blue]
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
  sample: ["veth vih-back: was gone"]
"""

from ansible_collections.virtnet.qemu.plugins.module_utils._boot import Boot
from ansible_collections.virtnet.qemu.plugins.module_utils._host.netlink import Netlink
from ansible_collections.virtnet.qemu.plugins.module_utils._reconcile import run_module
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.veth import Veth


def main() -> None:
    run_module(Veth, Netlink, Boot)


if __name__ == "__main__":
    main()
