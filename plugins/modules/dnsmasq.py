#!/usr/bin/python
# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: dnsmasq
short_description: Serve DHCP and DNS to the guests behind an interface
version_added: 0.1.0
author: virtnet.qemu contributors (@virtnet)
description:
  - Manages instances of dnsmasq(8), each for one network, with their configuration and their process.
  - An instance listens on one interface only, so others, and other name servers, can run beside it.
  - The options say all of an instance. One that is not given has dnsmasq's own default.
  - A changed configuration restarts the one instance it is of. A new reservation or record restarts nothing.
extends_documentation_fragment:
  - virtnet.qemu.common
  - virtnet.qemu.common.netlink
options:
  name:
    description: Name of the instance, commonly that of the network.
    type: str
  interface: &interface
    description:
      - The interface that the guests are behind, commonly a bridge. It must exist.
      - Required unless O(state=absent).
    type: str
  netns: &netns
    description: An existing network namespace that holds the interface, and where dnsmasq runs. Default is the host's.
    type: str
  addresses: &addresses
    description:
      - The addresses that the interface has, with prefix length. They are not set here, but must be there.
      - Needed for O(ranges) and O(reservations), which are checked against them.
    type: list
    elements: str
    default: []
  ranges: &ranges
    description: Address ranges that guests get their leases from. Without any, guests with a reservation are served.
    type: list
    elements: dict
    default: []
    suboptions:
      start:
        description: First address; for V(mode=ra-only) and V(mode=ra-stateless) the prefix, such as V(fd00:4::).
        type: str
        required: true
      end:
        description: Last address.
        type: str
      lease_time:
        description:
          - Seconds, or a number with V(m), V(h), V(d) or V(w), or V(infinite); at least two minutes.
          - dnsmasq's default is an hour for IPv4 and a day for IPv6.
        type: str
      mode:
        description:
          - How IPv6 guests get their addresses. Router advertisements are sent with all of them.
          - With V(dhcp) by DHCP, with V(slaac) by DHCP and SLAAC, with V(ra-only) by SLAAC, with V(ra-stateless) by
            SLAAC with the other options by DHCP.
        type: str
        choices: [dhcp, slaac, ra-only, ra-stateless]
        default: dhcp
      constructor:
        description:
          - Take the IPv6 prefix from the interface's own addresses.
          - O(ranges[].start) is then the host part, such as V(::100).
        type: bool
        default: false
  reservations: &reservations
    description:
      - What guests with certain MAC addresses always get.
      - Each needs O(reservations[].address) or O(reservations[].hostname), or both.
      - A guest with an IPv4 and an IPv6 address is listed twice.
    type: list
    elements: dict
    default: []
    suboptions:
      mac:
        description: MAC address of the guest's NIC.
        type: str
        required: true
      address:
        description: The address, in a subnet of O(addresses), inside or outside of the O(ranges).
        type: str
      hostname:
        description: The guest's host name. With O(reservations[].address) it is in the DNS before the guest is started.
        type: str
  domain: &domain
    description: The domain of the guests' names. It is not asked for elsewhere.
    type: str
  dns: &dns
    description: Serve DNS.
    type: bool
    default: true
  upstream: &upstream
    description:
      - Resolvers to ask for other names.
      - Written as V(192.0.2.1), V(192.0.2.1#5353) or, for one domain only, V(/example.org/192.0.2.1).
      - Default are those of the host's C(/etc/resolv.conf). An empty list asks none.
    type: list
    elements: str
  records: &records
    description: More names for the DNS.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The name; O(domain) is added to one without a dot.
        type: str
        required: true
      address:
        description: IPv4 or IPv6 address.
        type: str
        required: true
  router: &router
    description: IPv4 address that guests use as their gateway, or V(none). Default is the interface's own.
    type: str
  dns_servers: &dns_servers
    description:
      - Resolvers that guests are told. An empty list tells none.
      - Default is the interface's own address if O(dns) is on.
    type: list
    elements: str
  mtu: &mtu
    description: The MTU in bytes that guests are told (DHCP option 26, and by router advertisements).
    type: int
  routes: &routes
    description:
      - Classless static routes for guests (DHCP option 121).
      - Guests that understand them pass over the gateway (RFC 3442), so list V(0.0.0.0/0) too if they need it.
    type: list
    elements: dict
    default: []
    suboptions:
      destination:
        description: IPv4 network.
        type: str
        required: true
      gateway:
        description: IPv4 address.
        type: str
        required: true
  dhcp_options: &dhcp_options
    description: Other DHCP options.
    type: list
    elements: dict
    default: []
    suboptions:
      option:
        description: Number, or name as C(dnsmasq --help dhcp) lists it.
        type: str
        required: true
      value:
        description: Values of the option.
        type: list
        elements: str
        required: true
      ip_version:
        description: Whether it is an option of DHCPv4 or of DHCPv6.
        type: str
        choices: [ipv4, ipv6]
        default: ipv4
  boot_file: &boot_file
    description:
      - What guests that boot from the network are told to fetch and run, a path below O(tftp_root) or, since QEMU's
        NICs have iPXE, a URL such as V(http://192.168.4.1/boot.ipxe).
      - IPv4 only.
    type: str
  tftp_root: &tftp_root
    description:
      - An existing folder to serve by TFTP, to this interface only. O(user) must be able to read its files.
      - With systemd it cannot be below C(/home) or C(/root).
    type: path
  user: &user
    description:
      - The user that dnsmasq becomes once it has bound its sockets.
      - Default is C(dnsmasq) where there is that user, else C(nobody).
    type: str
  state: &state
    description:
      - V(started) and V(stopped) are about the process now and at boot.
      - V(present) writes the configuration and leaves the process alone.
      - V(absent) removes all, leases included.
    type: str
    choices: [started, stopped, present, absent]
    default: started
  supervisor:
    description:
      - What keeps the process. V(auto) is V(systemd) where that is PID 1, else V(daemon).
      - A V(daemon) is not started again by itself, nor at boot; the next run of this module does.
    type: str
    choices: [auto, systemd, daemon]
    default: auto
  config:
    description: Many instances, with the same options, as one transaction.
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the instance, commonly that of the network.
        type: str
        required: true
      interface: *interface
      netns: *netns
      addresses: *addresses
      ranges: *ranges
      reservations: *reservations
      domain: *domain
      dns: *dns
      upstream: *upstream
      records: *records
      router: *router
      dns_servers: *dns_servers
      mtu: *mtu
      routes: *routes
      dhcp_options: *dhcp_options
      boot_file: *boot_file
      tftp_root: *tftp_root
      user: *user
      state: *state
requirements:
  - dnsmasq 2.80 or newer (Debian package dnsmasq-base)
  - ss (Debian package iproute2)
notes:
  - Files are C(/etc/virtnet/dnsmasq/NAME.conf), C(NAME.hosts/) and C(NAME.names/) beside it, and
    C(/var/lib/virtnet/dnsmasq/NAME.leases). The unit is C(virtnet-dnsmasq-NAME.service).
  - Guests with an old DHCP client on a virtio NIC drop DHCP replies whose UDP checksum was left to the NIC. Current
    clients do not; for an old one, turn transmit checksums off in the guest or use another NIC model.
  - Each instance takes one inotify instance of the kernel. For more than about a hundred on one host raise
    C(fs.inotify.max_user_instances).
seealso:
  - module: virtnet.qemu.bridge
  - name: dnsmasq(8)
    description: The manual page.
    link: https://thekelleys.org.uk/dnsmasq/docs/dnsmasq-man.html
"""

EXAMPLES = r"""
- name: DHCP and DNS for the guests behind br-lab
  virtnet.qemu.dnsmasq:
    name: lab
    interface: br-lab
    addresses: [192.168.4.1/24]
    ranges:
      - {start: 192.168.4.100, end: 192.168.4.199, lease_time: 12h}
    reservations:
      - {mac: "52:54:00:00:00:11", address: 192.168.4.11, hostname: web1}
    domain: lab.example

- name: IPv4 and IPv6, without DNS, for an isolated network
  virtnet.qemu.dnsmasq:
    name: back
    interface: br-back
    addresses: [10.9.0.1/24, fd00:9::1/64]
    ranges:
      - {start: 10.9.0.10, end: 10.9.0.250}
      - {start: "fd00:9::", mode: ra-only}
    dns: false
    router: none

- name: Guests that boot from the network
  virtnet.qemu.dnsmasq:
    name: lab
    interface: br-lab
    addresses: [192.168.4.1/24]
    ranges:
      - {start: 192.168.4.100, end: 192.168.4.199}
    boot_file: boot.ipxe
    tftp_root: /srv/tftp

- name: Remove both, and their leases
  virtnet.qemu.dnsmasq:
    config:
      - {name: lab, state: absent}
      - {name: back, state: absent}
"""

RETURN = r"""
commands:
  description: The changes as a person would type them; in check mode those that would be made.
  returned: success
  type: list
  elements: str
  sample: [tee /etc/virtnet/dnsmasq/lab.conf, systemctl restart virtnet-dnsmasq-lab.service]
before:
  description: The changed instances as they were, with the text of their files; one that did not exist is left out.
  returned: success
  type: list
  elements: dict
after:
  description: The changed instances as they are now; one that was removed is left out.
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
  sample: ["dnsmasq lab: did not run"]
"""

from ansible_collections.virtnet.qemu.plugins.module_utils._host.dnsmasq import Dnsmasq
from ansible_collections.virtnet.qemu.plugins.module_utils._reconcile import run_module
from ansible_collections.virtnet.qemu.plugins.module_utils._spec import dnsmasq


def main() -> None:
    run_module(dnsmasq.Dnsmasq, Dnsmasq)


if __name__ == "__main__":
    main()
