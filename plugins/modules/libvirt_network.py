#!/usr/bin/python
# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: libvirt_network
short_description: Keep networks of libvirt
version_added: 0.1.0
author: virtnet.qemu contributors (@virtnet)
description:
  - Defines networks of libvirt, starts them and has them started at boot.
  - A definition that differs is applied. DHCP ranges, reservations and DNS records are changed in the running network.
    Anything else is written into the definition; the running network has it when it was restarted, and O(allow_restart)
    says whether this module may do that.
  - An option that is not given is left alone, and so is all of the definition that no option speaks of.
  - The firewall of a network is libvirt's own.
extends_documentation_fragment:
  - virtnet.qemu.common
  - virtnet.qemu.common.netlink
options:
  name:
    description: Name of the network.
    type: str
  mode: &mode
    description:
      - How packets leave the network, in libvirt's words. A new network without it is V(nat).
      - With V(isolated) guests reach each other and the host. With V(open) libvirt adds no rules at all.
      - With V(bridge) guests are on a bridge of the host that is there, and libvirt does nothing else.
      - A network cannot change from or to V(bridge); remove it first.
    type: str
    choices: [nat, route, open, isolated, bridge]
  bridge: &bridge
    description: Name of the bridge. libvirt chooses one for a new network, but for O(mode=bridge).
    type: str
  forward_dev: &forward_dev
    description: The only interface that packets may leave by, in the modes V(nat) and V(route). Empty is any.
    type: str
  nat_ipv6: &nat_ipv6
    description: Translate IPv6 too, in the mode V(nat). libvirt routes it if it is not told.
    type: bool
  stp: &stp
    description: Run the spanning tree protocol on the bridge. libvirt does if it is not told.
    type: bool
  delay: &delay
    description: Forward delay of the bridge in seconds, from 0 to 30. libvirt takes 0 if it is not told.
    type: int
  mac: &mac
    description: MAC address of the bridge. libvirt chooses one for a new network, and keeps it.
    type: str
  mtu: &mtu
    description: MTU of the bridge and of the guests' NICs in bytes, from 68 to 65535; 0 is the kernel's.
    type: int
  uuid: &uuid
    description: UUID of a new network. That of one that is there is kept, and another one is refused.
    type: str
  domain: &domain
    description: Domain of the guests' names. Empty is none.
    type: str
  addresses: &addresses
    description: Addresses of the host on the bridge, with prefix length. The guests' gateway.
    type: list
    elements: str
  ranges: &ranges
    description: Addresses that are given out by DHCP, in one subnet of each version of IP.
    type: list
    elements: dict
    suboptions:
      start:
        description: The first address.
        type: str
        required: true
      end:
        description: The last address.
        type: str
        required: true
  reservations: &reservations
    description: Guests that always get the same IPv4 address.
    type: list
    elements: dict
    suboptions:
      mac:
        description: MAC address of the guest's NIC.
        type: str
        required: true
      address:
        description: The IPv4 address that it gets.
        type: str
        required: true
      hostname:
        description: Its name in the network's DNS.
        type: str
  routes: &routes
    description: Networks that the host reaches by way of a guest.
    type: list
    elements: dict
    suboptions:
      destination:
        description: The network, in CIDR notation.
        type: str
        required: true
      gateway:
        description: Address of the guest.
        type: str
        required: true
      metric:
        description: Metric of the route, 1 or more.
        type: int
        default: 1
  dns: &dns
    description: Answer the guests' DNS queries. libvirt does if it is not told.
    type: bool
  forwarders: &forwarders
    description: Addresses of the name servers to ask; without any, those of the host.
    type: list
    elements: str
  records: &records
    description: Names in the network's DNS.
    type: list
    elements: dict
    suboptions:
      name:
        description: The name.
        type: str
        required: true
      address:
        description: Its address.
        type: str
        required: true
  autostart: &autostart
    description: Start the network when the host boots. A new network is not if it is not told.
    type: bool
  adopt: &adopt
    description:
      - Take over a network that was not made by this collection, such as libvirt's own V(default). How it was is kept
        in its metadata.
      - With O(state=absent) one that was taken over is given back as it was, and one that never was is left alone.
    type: bool
    default: false
  allow_restart: &allow_restart
    description:
      - Restart a running network where a change needs it. The interfaces of guests on its bridge, whoever runs them,
        are put on the new one; meanwhile they are cut off for a moment.
      - Without it such a change takes effect at the next start; RV(networks) tells.
    type: bool
    default: false
  state: &state
    description:
      - V(active) defines and starts it, V(inactive) defines and stops it; V(present) defines it and neither starts nor
        stops it.
      - A network with guests on its bridge is neither stopped nor removed.
    type: str
    choices: [active, inactive, present, absent]
    default: active
  uri:
    description: The libvirt to connect to.
    type: str
    default: qemu:///system
  config:
    description: Many networks, with the same options, as one transaction.
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the network.
        type: str
        required: true
      mode: *mode
      bridge: *bridge
      forward_dev: *forward_dev
      nat_ipv6: *nat_ipv6
      stp: *stp
      delay: *delay
      mac: *mac
      mtu: *mtu
      uuid: *uuid
      domain: *domain
      addresses: *addresses
      ranges: *ranges
      reservations: *reservations
      routes: *routes
      dns: *dns
      forwarders: *forwarders
      records: *records
      autostart: *autostart
      adopt: *adopt
      allow_restart: *allow_restart
      state: *state
requirements:
  - libvirt with its Python bindings (Debian packages libvirt-daemon-system and python3-libvirt)
seealso:
  - module: virtnet.qemu.libvirt_interface
"""

EXAMPLES = r"""
- name: A network of libvirt's, with an address for a guest
  virtnet.qemu.libvirt_network:
    name: office
    bridge: virbr-office
    addresses: [192.168.140.1/24]
    ranges:
      - {start: 192.168.140.100, end: 192.168.140.199}
    reservations:
      - {mac: "52:54:00:00:00:11", address: 192.168.140.11, hostname: web1}
    domain: office.example
    autostart: true

- name: The one that comes with libvirt, as it is, and at boot
  virtnet.qemu.libvirt_network:
    name: default
    adopt: true
    autostart: true

- name: Larger packets, at once
  virtnet.qemu.libvirt_network:
    name: office
    mtu: 9000
    allow_restart: true

- name: Remove the one, and give back the other
  virtnet.qemu.libvirt_network:
    config:
      - {name: office, state: absent}
      - {name: default, state: absent, adopt: true}
"""

RETURN = r"""
commands:
  description: The changes as a person would type them; in check mode those that would be made.
  returned: success
  type: list
  elements: str
  sample: [virsh net-define office.xml, virsh net-start office, virsh net-autostart office]
networks:
  description: The networks that are to be there; in check mode as they would be.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the network.
      type: str
    bridge:
      description: Name of its bridge.
      type: str
    active:
      description: Whether it runs.
      type: bool
    autostart:
      description: Whether it is started at boot.
      type: bool
    restart_required:
      description: Whether it runs otherwise than it is defined, until it is restarted.
      type: bool
before:
  description: The changed networks as they were; one that did not exist is left out.
  returned: success
  type: list
  elements: dict
after:
  description: The changed networks as they are now; one that was removed is left out.
  returned: success
  type: list
  elements: dict
"""

from ansible_collections.virtnet.qemu.plugins.module_utils._host.libvirt_network import LibvirtNetworks
from ansible_collections.virtnet.qemu.plugins.module_utils._reconcile import run_module
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.libvirt_network import LibvirtNetwork


def main() -> None:
    run_module(LibvirtNetwork, LibvirtNetworks)


if __name__ == "__main__":
    main()
