#!/usr/bin/python
# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: dhcp_client
short_description: Have a host's interface get its IPv4 address by DHCP
version_added: 0.1.0
author: virtnet.qemu contributors (@virtnet)
description:
  - Keeps a DHCP lease on an interface of the host, commonly a bridge that has a physical NIC as its port.
  - A supervised client sets the leased address, the default route, other routes (option 121) and the MTU (option 26).
    It takes back what it set, and nothing else, when the lease ends or the client is stopped.
  - Names are not its business, so C(/etc/resolv.conf) stays as it is.
  - A run ends when the lease is there. Without one within O(timeout) it fails, and all is as before.
extends_documentation_fragment:
  - virtnet.qemu.common
  - virtnet.qemu.common.netlink
options:
  name:
    description: Name of the client, commonly that of the network.
    type: str
  interface: &interface
    description:
      - The Ethernet interface that gets the lease. It must exist, be up, and be no port of a bridge.
      - Required unless O(state=absent).
    type: str
  netns: &netns
    description: An existing network namespace that holds the interface. Default is the host's.
    type: str
  metric: &metric
    description: Metric of the default route; the route with the lowest is used. Default is the kernel's, 0.
    type: int
  hostname: &hostname
    description: The name that the server is told. Default is none.
    type: str
  timeout: &timeout
    description:
      - Seconds to wait for the lease.
      - A bridge with STP holds its ports back for twice its forward delay, commonly 30 seconds, before it lets
        anything through.
    type: int
    default: 60
  state: &state
    description:
      - V(started) and V(stopped) are about the client now and at boot. One that is stopped has released its lease.
      - V(absent) releases the lease and removes all.
    type: str
    choices: [started, stopped, absent]
    default: started
  supervisor:
    description:
      - What keeps the client running. V(auto) is V(systemd) where that is PID 1, else V(daemon).
      - A V(daemon) is not started again by itself, nor at boot; the next run of this module does.
    type: str
    choices: [auto, systemd, daemon]
    default: auto
  config:
    description: Many clients, with the same options, as one transaction.
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the client, commonly that of the network.
        type: str
        required: true
      interface: *interface
      netns: *netns
      metric: *metric
      hostname: *hostname
      timeout: *timeout
      state: *state
requirements:
  - busybox with udhcpc, or udhcpc (Debian packages busybox, udhcpc)
  - ip (Debian package iproute2)
notes:
  - The script of a client is C(/etc/virtnet/dhcp_client/NAME), its unit C(virtnet-dhcp-client-NAME.service).
  - Whatever else configures the interface by DHCP (ifupdown, NetworkManager, systemd-networkd) must leave it alone.
  - Addresses and routes carry the lifetime of the lease and the protocol C(dhcp), so M(virtnet.qemu.bridge) leaves
    them alone.
seealso:
  - module: virtnet.qemu.bridge
  - module: virtnet.qemu.dnsmasq
"""

EXAMPLES = r"""
- name: The bridge br-lan gets the host's address
  virtnet.qemu.dhcp_client:
    name: lan
    interface: br-lan
    hostname: hv1

- name: An address inside a namespace, by a route that is second choice
  virtnet.qemu.dhcp_client:
    name: r1
    interface: eth1
    netns: r1
    metric: 200

- name: Release both leases
  virtnet.qemu.dhcp_client:
    config:
      - {name: lan, state: absent}
      - {name: r1, state: absent}
"""

RETURN = r"""
leases:
  description: The lease of each client that is to be started; in check mode that of before.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the client.
      type: str
    interface:
      description: The interface.
      type: str
    address:
      description: The leased address with prefix length, or null for none.
      type: str
    routers:
      description: The gateways of the default routes.
      type: list
      elements: str
  sample: [{name: lan, interface: br-lan, address: 192.0.2.101/24, routers: [192.0.2.1]}]
commands:
  description: The changes as a person would type them; in check mode those that would be made.
  returned: success
  type: list
  elements: str
  sample: [tee /etc/virtnet/dhcp_client/lan, systemctl start virtnet-dhcp-client-lan.service]
before:
  description: The changed clients as they were; one that did not exist is left out.
  returned: success
  type: list
  elements: dict
after:
  description: The changed clients as they are now; one that was removed is left out.
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
  sample: ["dhcp_client lan: did not run"]
"""

from ansible_collections.virtnet.qemu.plugins.module_utils._host.dhcp_client import DhcpClient
from ansible_collections.virtnet.qemu.plugins.module_utils._reconcile import run_module
from ansible_collections.virtnet.qemu.plugins.module_utils._spec import dhcp_client


def main() -> None:
    run_module(dhcp_client.DhcpClient, DhcpClient)


if __name__ == "__main__":
    main()
