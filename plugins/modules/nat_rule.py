#!/usr/bin/python
# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: nat_rule
short_description: Make, change and remove rules of address translation and port forwards
version_added: 0.1.0
author: virtnet.qemu contributors (@virtnet)
description:
  - Manages masquerading, fixed source addresses, port forwards, one-to-one mappings and redirections, for IPv4 and
    IPv6.
  - The rules are in a table or in chains of their own, and nothing else is touched. A rule of someone else in there is
    removed.
  - All changes of a run are one transaction. The order of the rules follows from the rules alone, specific before
    general, whatever the order of the list.
  - A rule is known by O(name) within its O(network); to give the same name again changes the rule.
  - When a forward is removed or changed, the connections that went through it are cut. When one is added, UDP traffic
    that the host took itself is moved over; open TCP connections to the host stay.
  - The host must forward packets (sysctl C(net.ipv4.ip_forward), C(net.ipv6.conf.all.forwarding)); this module does not
    see to that.
extends_documentation_fragment:
  - virtnet.qemu.common
  - virtnet.qemu.common.persist
options:
  name:
    description: Name of the rule, unique in its network. Up to 48 letters, digits and C(_-.:@+).
    type: str
  network: &network
    description:
      - The network whose rule this is, or any other name for a group of rules, up to 64 letters, digits and C(_-.).
      - Rules for the same or overlapping O(source) belong to one network.
    type: str
    default: default
  netns: &netns
    description: An existing network namespace that holds the rule. Default is the host's own.
    type: str
  action: &action
    description:
      - What is done; needed unless O(state=absent).
      - V(masquerade) gives what leaves the address of the interface it leaves by.
      - V(snat) gives what leaves the fixed source O(to_address).
      - V(dnat) sends what arrives for the host, or for O(destination), on to O(to_address).
      - V(netmap) maps the network O(source) to the network O(to_address) one to one, in both directions.
      - V(redirect) gives what arrives to the host itself, at O(to_port).
    type: str
    choices: [masquerade, snat, dnat, netmap, redirect]
  ip_version: &ip_version
    description: The version of IP, where no address tells. The default is then V(ipv4).
    type: str
    choices: [ipv4, ipv6]
  source: &source
    description:
      - Source address or network, for example V(192.168.4.0/24).
      - A leading V(!) means every other, and needs quotes in YAML.
    type: str
  destination: &destination
    description:
      - Destination address or network.
      - A leading V(!) means every other, as in V(!192.168.4.0/24), and needs quotes in YAML.
      - Without one, V(dnat) is for what is sent to any address of the host.
    type: str
  in_interface: &in_interface
    description:
      - Interface that a packet arrives by. A leading V(!) means every other.
      - For V(dnat), V(netmap) and V(redirect).
    type: str
  out_interface: &out_interface
    description:
      - Interface that a packet leaves by. A leading V(!) means every other.
      - For V(masquerade), V(snat) and V(netmap).
    type: str
  protocol: &protocol
    description: Protocol. Without one all of them are meant.
    type: str
    choices: [tcp, udp, sctp, dccp, icmp, icmpv6, gre, esp, ah]
  source_port: &source_port
    description: Source port or range of ports.
    type: str
  destination_port: &destination_port
    description: Destination port, or range of ports such as V(8000-8010). For V(dnat) the port that is forwarded.
    type: str
  to_address: &to_address
    description: The new address; for V(netmap) a network of the same length as O(source), or one address for one.
    type: str
  to_port: &to_port
    description: The new port, or a range as long as O(destination_port). The default for V(dnat) is the same port.
    type: str
  ports: &ports
    description:
      - Source ports that V(masquerade) and V(snat) give to TCP and UDP, or to O(protocol).
      - The default for TCP and UDP is V(1024-65535), since some servers trust lower ones.
    type: str
  hairpin: &hairpin
    description:
      - The network whose members may use this V(dnat) too, for example V(192.168.4.0/24).
      - Their connections get the host's address, so that the answer finds the way back.
    type: str
  backend:
    description:
      - What filters packets on the host; it holds for the whole run.
      - V(auto) is nftables where C(nft) works, else iptables.
      - To change it, remove the rules with the old one first.
    type: str
    choices: [auto, nftables, iptables]
    default: auto
  exclusive:
    description:
      - Whether a listed network is to have no other rules than those that are listed; others of it are removed.
      - An entry that is V(absent) is enough to list a network.
    type: bool
    default: false
  state: &state
    description: Whether the rule is to exist.
    type: str
    choices: [present, absent]
    default: present
  config:
    description: Many rules, with the same options, as one transaction.
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the rule, unique in its network. Up to 48 letters, digits and C(_-.:@+).
        type: str
        required: true
      network: *network
      netns: *netns
      action: *action
      ip_version: *ip_version
      source: *source
      destination: *destination
      in_interface: *in_interface
      out_interface: *out_interface
      protocol: *protocol
      source_port: *source_port
      destination_port: *destination_port
      to_address: *to_address
      to_port: *to_port
      ports: *ports
      hairpin: *hairpin
      state: *state
requirements:
  - nftables (C(nft) 1.0.6 or newer) or iptables
  - conntrack (Debian package conntrack), when a forward changes
seealso:
  - module: virtnet.qemu.network_firewall
notes:
  - Multicast to C(224.0.0.0/24) and C(ff02::/16) and broadcast to C(255.255.255.255) are not translated on the way out.
  - A V(dnat) without O(in_interface), O(source) and O(source_port) also serves what the host itself sends to one of its
    addresses, but not to the loopback address.
  - With nftables, a forward of a port is an element of a map, so that many of them cost a packet no more than one.
"""

EXAMPLES = r"""
- name: What leaves the network for elsewhere gets the host's address
  virtnet.qemu.nat_rule:
    name: out
    network: lab
    action: masquerade
    source: 192.168.4.0/24
    destination: "!192.168.4.0/24"

- name: The same, but only by one interface
  virtnet.qemu.nat_rule:
    name: out
    network: lab
    action: masquerade
    source: 192.168.4.0/24
    out_interface: enp3s0

- name: A fixed source address, and forwards that the guests themselves can use too
  virtnet.qemu.nat_rule:
    config:
      - name: out
        network: back
        action: snat
        source: 10.9.0.0/24
        out_interface: enp3s0
        to_address: 192.0.2.10
      - name: ssh
        network: back
        action: dnat
        protocol: tcp
        destination_port: 2222
        to_address: 10.9.0.11
        to_port: 22
        hairpin: 10.9.0.0/24
      - name: web
        network: back
        action: dnat
        protocol: tcp
        destination_port: 8000-8010
        to_address: 10.9.0.12
        hairpin: 10.9.0.0/24

- name: One address of the uplink for each of eight guests
  virtnet.qemu.nat_rule:
    name: own-addresses
    network: dmz
    action: netmap
    source: 10.8.0.8/29
    to_address: 192.0.2.64/29

- name: Guests' web traffic goes to a proxy on the host
  virtnet.qemu.nat_rule:
    name: proxy
    network: lab
    action: redirect
    in_interface: br-lab
    protocol: tcp
    destination_port: 80
    to_port: 3128

- name: IPv6, in the namespace of a virtual router
  virtnet.qemu.nat_rule:
    name: out
    network: lab6
    netns: r1
    action: masquerade
    source: fd00:4::/64
    destination: "!fd00:4::/64"

- name: Take the forward away again
  virtnet.qemu.nat_rule:
    name: ssh
    network: back
    state: absent
"""

RETURN = r"""
commands:
  description: The changes as a person would type them; in check mode those that would be made.
  returned: success
  type: list
  elements: str
  sample:
    - nft 'add chain inet virtnet_nat post-lab'
    - >-
      nft 'add element inet virtnet_nat forward4 { tcp . 2222 comment "lab/ssh" : 192.168.4.11 . 22 }'
before:
  description: The rules that differ, by the chain or map they are in, as they were; what did not exist is left out.
  returned: success
  type: list
  elements: dict
after:
  description: The rules that differ, by the chain or map they are in, as they are now; what was removed is left out.
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
  sample: ["rules of virtnet_nat: all were gone"]
"""

from ansible_collections.virtnet.qemu.plugins.module_utils._boot import Boot
from ansible_collections.virtnet.qemu.plugins.module_utils._host.packet_rules import PacketRules
from ansible_collections.virtnet.qemu.plugins.module_utils._reconcile import run_module
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.nat_table import LAYOUTS, NatRules


def main() -> None:
    run_module(NatRules, lambda: PacketRules(LAYOUTS), Boot)


if __name__ == "__main__":
    main()
