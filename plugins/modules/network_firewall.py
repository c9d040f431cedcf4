#!/usr/bin/python
# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: network_firewall
short_description: Make, change and remove the packet filter around a network
version_added: 0.1.0
author: virtnet.qemu contributors (@virtnet)
description:
  - Sees to it that a network's guests reach what the network's model promises, and are reached by no one else.
  - Guests of one network always reach one another. Networks never reach one another, but by a forward
    (M(virtnet.qemu.nat_rule)) that leads into one of them.
  - What is not allowed is rejected, so that no one waits for a time-out.
  - With V(nat), what a guest sends with a source address of another network is rejected, and what would leave
    untranslated because it belongs to no connection is dropped.
  - The rules are in a table or in chains of their own, and nothing else is touched. A rule of someone else in there is
    removed. All changes of a run are one transaction.
  - Rules of other programs stay in force; what they drop by a rule is dropped. Where a firewall that iptables made
    (Docker, ufw) drops what it has no rule for, it gets one rule that accepts the packets of the networks, which goes
    when the last network does. See O(foreign_drop) for other firewalls.
extends_documentation_fragment:
  - virtnet.qemu.common
  - virtnet.qemu.common.persist
options:
  name:
    description: Name of the network, up to 64 letters, digits and C(_-.).
    type: str
  netns: &netns
    description: An existing network namespace that holds the bridge and the rules. Default is the host's own.
    type: str
  bridge: &bridge
    description: Name of the network's bridge, needed unless O(state=absent). It need not exist yet.
    type: str
  model: &model
    description:
      - What the network promises; needed unless O(state=absent).
      - V(nat) lets guests open connections to the outside, and lets in only what a forward leads there.
      - V(routed) lets guests open connections to the outside, and everyone but other networks of this host to guests.
      - V(isolated) keeps guests among themselves.
      - V(bridged) keeps nothing out, as the guests are members of the LAN. It lets packets pass from port to port of
        the bridge where the kernel shows them to iptables (C(br_netfilter)).
    type: str
    choices: [nat, routed, isolated, bridged]
  subnets: &subnets
    description: The guests' IPv4 and IPv6 networks, for example V(192.168.4.0/24). Needed for V(nat) and V(routed).
    type: list
    elements: str
    default: []
  dhcp: &dhcp
    description: Guests may reach a DHCP server on the host even without O(host_access).
    type: bool
    default: false
  dns: &dns
    description: Guests may reach a DNS server on the host even without O(host_access).
    type: bool
    default: false
  tftp: &tftp
    description:
      - Guests may reach a TFTP server on the host even without O(host_access).
      - It must answer from the port that it is asked on, as that of M(virtnet.qemu.dnsmasq) does.
    type: bool
    default: false
  host_access: &host_access
    description:
      - Guests may reach the host, and the host its guests.
      - The default is V(true) for V(nat) and V(routed), V(false) for V(isolated).
    type: bool
  backend:
    description:
      - What filters packets on the host; it holds for the whole run.
      - V(auto) is nftables where C(nft) works, else iptables.
      - To change it, remove the rules with the old one first.
    type: str
    choices: [auto, nftables, iptables]
    default: auto
  foreign_drop:
    description:
      - What to do when a chain of somebody else's nftables table drops packets that the networks need, which no table
        of ours can undo, and that chain is not ours to edit; it holds for the whole run.
      - V(refuse) fails and says which rule to add there. V(warn) goes on with a warning, V(ignore) without.
      - A chain that accepts packets with the mark V(0x10000000), or that has an accept that names each bridge, is let
        be. No more is understood of its rules.
    type: str
    choices: [refuse, warn, ignore]
    default: refuse
  state: &state
    description: Whether the filter is to exist. Without one, a network has no protection.
    type: str
    choices: [present, absent]
    default: present
  config:
    description: Many networks, with the same options, as one transaction.
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the network, up to 64 letters, digits and C(_-.).
        type: str
        required: true
      netns: *netns
      bridge: *bridge
      model: *model
      subnets: *subnets
      dhcp: *dhcp
      dns: *dns
      tftp: *tftp
      host_access: *host_access
      state: *state
requirements:
  - nftables (C(nft) 1.0.6 or newer) or iptables
seealso:
  - module: virtnet.qemu.nat_rule
  - module: virtnet.qemu.bridge
notes:
  - With nftables the cost of a packet does not grow with the number of networks, with iptables it does.
  - With iptables, what is allowed here is accepted before the host's other rules see it.
"""

EXAMPLES = r"""
- name: A NAT network
  virtnet.qemu.network_firewall:
    name: lab
    bridge: br-lab
    model: nat
    subnets: [192.168.4.0/24, fd00:4::/64]

- name: A routed network, and one that is isolated but for DHCP
  virtnet.qemu.network_firewall:
    config:
      - {name: dmz, bridge: br-dmz, model: routed, subnets: [10.8.0.0/24]}
      - {name: back, bridge: br-back, model: isolated, dhcp: true}

- name: Guests may use the host's DHCP and DNS servers and nothing else of it
  virtnet.qemu.network_firewall:
    name: lab
    bridge: br-lab
    model: nat
    subnets: [192.168.4.0/24, fd00:4::/64]
    host_access: false
    dhcp: true
    dns: true

- name: Guests on the LAN, and a firewall of nftables' own that is known to let their bridge pass
  virtnet.qemu.network_firewall:
    name: lan
    bridge: br-lan
    model: bridged
    foreign_drop: ignore

- name: Take the filter away again
  virtnet.qemu.network_firewall:
    name: lab
    state: absent
"""

RETURN = r"""
commands:
  description: The changes as a person would type them; in check mode those that would be made.
  returned: success
  type: list
  elements: str
  sample:
    - nft 'add chain inet virtnet_filter from-lab'
    - >-
      nft 'add rule inet virtnet_filter from-lab oifname "br-lab" accept comment "lab#00"'
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
  sample: ["rules of virtnet_filter: all were gone"]
"""

from ansible_collections.virtnet.qemu.plugins.module_utils._boot import Boot
from ansible_collections.virtnet.qemu.plugins.module_utils._host.firewall_rules import FirewallRules
from ansible_collections.virtnet.qemu.plugins.module_utils._reconcile import run_module
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.firewall_table import NetworkFirewalls


def main() -> None:
    run_module(NetworkFirewalls, FirewallRules, Boot)


if __name__ == "__main__":
    main()
