#!/usr/bin/python
# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: sriov
short_description: Make virtual functions of NICs (SR-IOV), and say what each may do
version_added: 0.1.0
author: virtnet.qemu contributors (@virtnet)
description:
  - Has a NIC offer virtual functions, which guests can have as NICs of their own, with M(virtnet.qemu.vfio_bind).
  - The host goes on using the NIC itself. It is set up, since one that is down passes nothing on.
  - Where it was down before, it keeps out of the host's own network until O(state=absent); it answers no ARP request
    for the addresses of the host's other NICs (C(arp_ignore)) and takes no address from a router (C(accept_ra)).
  - Another number of virtual functions takes away all that there are, so it is refused while a guest has one of them.
extends_documentation_fragment:
  - virtnet.qemu.common
options:
  name:
    description:
      - The NIC, by its PCI address, with or without domain, as in V('0000:05:00.0'); its MAC address; the serial number
        that C(lspci -v) tells; or the name of its interface.
    type: str
  count: &count
    description: How many virtual functions. The default is as many as O(functions) has entries.
    type: int
  functions: &functions
    description:
      - The settings of the virtual functions, in their order from 0.
      - Those that are not given, and virtual functions without an entry, are left as they are.
    type: list
    elements: dict
    suboptions:
      mac:
        description: MAC address that whoever has it finds. The default is the kernel's, mostly another one each time.
        type: str
      vlan:
        description: Number of the VLAN that it is in, without its noticing; V(0) is none.
        type: int
      spoof_check:
        description: Drop what it sends from another MAC address.
        type: bool
      trust:
        description: Let whoever has it change its MAC address, and see what is not sent to it.
        type: bool
  autoprobe: &autoprobe
    description:
      - Whether the host's own drivers get new virtual functions, which then are interfaces of the host.
      - With V(false), nobody has them until M(virtnet.qemu.vfio_bind) takes them. The kernel's default is V(true).
    type: bool
  adopt: &adopt
    description: Take over a NIC that somebody else made virtual functions of.
    type: bool
    default: false
  state: &state
    description: V(absent) removes all virtual functions, and has the NIC, up or down, as it was before.
    type: str
    choices: [present, absent]
    default: present
  persist:
    description:
      - Whether it is so again after the host was rebooted.
      - With V(auto), where systemd runs the host, C(virtnet-sriov.service) does it, before guests start, and then has
        those virtual functions bound that M(virtnet.qemu.vfio_bind) was told of.
      - With V(none) it lasts until the next reboot.
    type: str
    choices: [auto, none]
    default: auto
  config:
    description: Many NICs, with the same options, as one transaction.
    type: list
    elements: dict
    suboptions:
      name:
        description: The NIC, as O(name).
        type: str
        required: true
      count: *count
      functions: *functions
      autoprobe: *autoprobe
      adopt: *adopt
      state: *state
requirements:
  - a NIC with SR-IOV, which may have to be turned on in the firmware's set-up
  - ip (Debian package iproute2)
notes:
  - What is wanted is noted in C(/etc/virtnet/sriov.table), or in C(/run/virtnet/sriov.table) without persistence.
seealso:
  - module: virtnet.qemu.vfio_bind
  - module: virtnet.qemu.qemu_guest
"""

EXAMPLES = r"""
- name: Two virtual functions, for one guest each
  virtnet.qemu.sriov:
    name: enp5s0
    autoprobe: false
    functions:
      - {mac: '52:54:00:aa:03:01', spoof_check: true}
      - {mac: '52:54:00:aa:03:02', spoof_check: true, vlan: 20}

- name: None any more
  virtnet.qemu.sriov:
    name: enp5s0
    state: absent
"""

RETURN = r"""
devices:
  description: Each NIC that was asked about, as it is now; in check mode as before.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: What it was asked for by.
      type: str
    address:
      description: PCI address.
      type: str
    interface:
      description: Its interface.
      type: str
    count:
      description: Number of its virtual functions.
      type: int
    autoprobe:
      description: Whether the host's own drivers get new ones.
      type: bool
    functions:
      description: The settings of each.
      type: list
      elements: dict
    addresses:
      description: The PCI addresses of its virtual functions.
      type: list
      elements: str
    persistent:
      description: Whether it is so after a reboot too.
      type: bool
commands:
  description: The changes as a person would type them; in check mode those that would be made.
  returned: success
  type: list
  elements: str
  sample:
    - echo 2 > /sys/bus/pci/devices/0000:05:00.0/sriov_numvfs
    - ip link set dev enp5s0 vf 0 mac 52:54:00:aa:03:01 spoofchk on
before:
  description: The changed NICs as they were.
  returned: success
  type: list
  elements: dict
after:
  description: The changed NICs as they are now.
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
  sample: ["sriov enp5s0: count was 0"]
"""

from ansible_collections.virtnet.qemu.plugins.module_utils._host.sriov import Sriov
from ansible_collections.virtnet.qemu.plugins.module_utils._reconcile import run_module
from ansible_collections.virtnet.qemu.plugins.module_utils._spec import sriov


def main() -> None:
    run_module(sriov.Sriov, Sriov)


if __name__ == "__main__":
    main()
