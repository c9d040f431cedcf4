#!/usr/bin/python
# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: network_probe
short_description: Show that networks keep the promises of their models
version_added: 0.1.0
author: virtnet.qemu contributors (@virtnet)
description:
  - Plugs two probes into each network. A probe is a network namespace with one interface that is a port of the
    network's bridge, in a guest's place. No guest is needed, and guests that run are not disturbed.
  - Asks from there for what a guest would, such as a DHCP lease, its gateway, names, the host and the LAN, and also for
    what must not be reached, such as the guests of another network. All of it is asked at the same time.
  - What must not be reached is also asked by a guest that keeps to no routes, that is, of the host's bridge directly.
  - Takes the probes away again, with their leases. What a run that was killed left behind, the next one removes.
options:
  config:
    description: The networks. Needed unless O(state=absent).
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the network.
        type: str
        required: true
      bridge:
        description: Its bridge, which must be there.
        type: str
        required: true
      model:
        description:
          - What it promises. Guests of every network reach one another, and never those of another network.
          - With V(isolated) they reach nothing else, with the others the LAN too.
        type: str
        required: true
        choices: [isolated, routed, nat, bridged]
      host_access:
        description:
          - Whether guests reach the host, and the host them. Default is true, with O(config[].model=isolated) false.
        type: bool
      gateways:
        description:
          - The guests' gateway, one of each IP version.
        type: list
        elements: str
        default: []
      host_addresses:
        description:
          - The addresses of the host that O(config[].host_access) is about.
          - Default is all of them but loopback and link-local ones; where O(config[].model) is V(bridged), or
            V(isolated) with O(config[].host_access=true), those of the guests' subnet.
          - With an empty list nothing is promised of the host, nor looked at.
        type: list
        elements: str
      dhcp:
        description:
          - Whether guests get a lease and find in it the gateway.
          - Default is false; with O(config[].model=bridged) a lease is tried, but not promised.
        type: bool
      dns:
        description: Whether the guests' name servers answer.
        type: bool
        default: false
      dns_servers:
        description: Addresses of those. Default is what the lease says, and without a lease the gateways.
        type: list
        elements: str
      addresses:
        description:
          - Addresses for the probes, with prefix length, that nobody else has. Two of each IP version, the first for
            the first probe.
          - Needed where there is no DHCP. Probes of an isolated network have addresses of their own choice without.
        type: list
        elements: str
        default: []
      lan:
        description: What guests reach beyond the host, or with O(config[].model=isolated) do not reach.
        type: list
        elements: dict
        default: []
        suboptions:
          address:
            description: Address that is asked, by ping unless there is a port.
            type: str
            required: true
          port:
            description: TCP port that takes connections.
            type: int
          name:
            description: What it is called in the results.
            type: str
  dns_name:
    description: A name that the name servers must know. Default is to be content with any answer.
    type: str
  timeout:
    description: Seconds after which what does not answer is not reached. Each question is repeated in that time.
    type: float
    default: 2
  dhcp_timeout:
    description: Seconds to wait for leases. A DHCP server may first look for 3 s whether somebody has an address.
    type: float
    default: 15
  state:
    description:
      - V(probed) leaves nothing behind.
      - V(present) leaves the probes where they are, for M(virtnet.qemu.neighbour_probe) to ask from another host.
      - V(absent) removes those.
    type: str
    choices: [probed, present, absent]
    default: probed
extends_documentation_fragment:
  - virtnet.qemu.common.look
attributes:
  check_mode:
    description: Says what would be checked.
    support: full
requirements:
  - Python libraries pyroute2 and netaddr
  - the programs ip (iproute2) and setpriv (util-linux)
  - where leases are asked for, the DHCP client of busybox
  - root on the managed host
notes:
  - Broken promises do not make the module fail; they are in RV(broken).
  - With the spanning tree protocol a bridge lets a probe wait for twice its forward delay.
seealso:
  - module: virtnet.qemu.neighbour_probe
  - module: virtnet.qemu.network_firewall
"""

EXAMPLES = r"""
- name: Do the networks keep their promises?
  virtnet.qemu.network_probe:
    config:
      - name: lab
        bridge: br-lab
        model: nat
        gateways: [192.168.4.1]
        dhcp: true
        dns: true
        lan: [{address: 192.0.2.1, name: router}]
      - name: back
        bridge: br-back
        model: isolated
        lan: [{address: 192.0.2.1, name: router}]
  register: probed
  failed_when: probed.broken != ""

- name: Show the table
  ansible.builtin.debug:
    msg: "{{ probed.table.splitlines() }}"
"""

RETURN = r"""
results:
  description: One element for each promise that was looked at.
  returned: unless O(state=absent)
  type: list
  elements: dict
  contains:
    network:
      description: Name of the network.
      type: str
    check:
      description: What was looked at.
      type: str
      sample: guest to gateway
    expected:
      description: What the model promises, V(yes), V(no), or an address.
      type: str
    seen:
      description: What was seen, or V(not checked) where nothing to ask was known.
      type: str
      sample: "no: 192.168.4.1 (no answer)"
    ok:
      description: Whether the promise is kept, null where that could not be checked.
      type: bool
table:
  description: The same as a text to be read.
  returned: unless O(state=absent)
  type: str
broken:
  description: One sentence about the promises that are not kept, empty when all are.
  returned: unless O(state=absent)
  type: str
neighbour_targets:
  description: With O(state=present), the probes as a host on the LAN may ask them, by M(virtnet.qemu.neighbour_probe).
  returned: unless O(state=absent)
  type: list
  elements: dict
  contains:
    name:
      description: Name of the network.
      type: str
    address:
      description: Address of a probe.
      type: str
    reached:
      description: Whether the LAN reaches it, once it knows the way.
      type: bool
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.virtnet.qemu.plugins.module_utils._host import libraries, network_probe
from ansible_collections.virtnet.qemu.plugins.module_utils._host.errors import HostError
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.base import SpecError
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.probe import ARGUMENT_SPEC


def main() -> None:
    module = AnsibleModule(
        argument_spec=ARGUMENT_SPEC,
        required_if=[("state", "probed", ["config"]), ("state", "present", ["config"])],
        supports_check_mode=True,
    )
    libraries.find_more()
    try:
        result = network_probe.run(module.params, module.check_mode)
    except ImportError as exc:
        module.fail_json(msg=missing_required_lib((exc.name or str(exc)).partition(".")[0]))
    except (SpecError, HostError) as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
