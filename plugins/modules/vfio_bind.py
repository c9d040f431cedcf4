#!/usr/bin/python
# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vfio_bind
short_description: Take PCI devices from their drivers, so that guests can have them
version_added: 0.1.0
author: virtnet.qemu contributors (@virtnet)
description:
  - Binds PCI devices, NICs above all, to the driver vfio-pci, and gives them back to their own drivers.
  - Only the device that is meant is touched, by its C(driver_override), and whether the driver has it is looked up.
  - A device is refused that the host itself needs. That is one whose interface has the default route, is what the host
    is managed through by SSH, or is part of a bridge, bond or VLAN; and one with a disk that is mounted or swapped to.
  - So is one that shares its IOMMU group with devices that stay with the host.
extends_documentation_fragment:
  - virtnet.qemu.common
options:
  name:
    description:
      - The device, by its PCI address, with or without domain, as in V('0000:04:00.0'); the MAC address of its
        interface; the serial number that C(lspci -v) tells, as in V(52-54-00-ff-ff-aa-01-01); or the name of its
        interface.
      - With V(/N) behind it, virtual function N of that device (SR-IOV), as in V(enp4s0/0).
      - The name that a device had before it was bound goes on being understood.
    type: str
  allow_incomplete_group: &allow_incomplete_group
    description:
      - Bind the device although others of its IOMMU group have other drivers. These are named in a warning, and without
        this option in an error.
      - The kernel lets no guest have such a group, unless it was patched to take its devices for apart.
    type: bool
    default: false
  adopt: &adopt
    description:
      - Take over a device that somebody else bound to vfio-pci.
      - Without it such a device is left as it is, with a warning, and is not given back.
    type: bool
    default: false
  state: &state
    description:
      - V(present) binds the device to vfio-pci.
      - V(absent) gives it back to the driver that it had. A device that has vanished meanwhile is forgotten.
    type: str
    choices: [present, absent]
    default: present
  persist:
    description:
      - Whether the device is bound again after the host was rebooted.
      - With V(auto), where systemd runs the host, C(virtnet-vfio.service) does so, before udev looks for drivers. What
        is named by its serial number, or by MAC address or interface and has a serial number, is found in whatever
        slot it is by then; all else where it is now.
      - With V(none) it lasts until the next reboot.
    type: str
    choices: [auto, none]
    default: auto
  config:
    description: Many devices, with the same options, as one transaction. Together they may make up an IOMMU group.
    type: list
    elements: dict
    suboptions:
      name:
        description: The device, as O(name).
        type: str
        required: true
      allow_incomplete_group: *allow_incomplete_group
      adopt: *adopt
      state: *state
requirements:
  - an IOMMU that is on; with Intel's, the kernel is booted with C(intel_iommu=on)
  - ip (Debian package iproute2) and modprobe (Debian package kmod)
notes:
  - What is bound is noted in C(/etc/virtnet/vfio.table), or in C(/run/virtnet/vfio.table) without persistence.
  - Where the initramfs loads the driver of a NIC, the driver has the device until C(virtnet-vfio.service) takes it.
seealso:
  - module: virtnet.qemu.sriov
  - module: virtnet.qemu.qemu_guest
"""

EXAMPLES = r"""
- name: A NIC for a guest, wherever it is plugged in
  virtnet.qemu.vfio_bind:
    name: '52:54:00:aa:01:01'

- name: What is at one place, and a virtual function, together
  virtnet.qemu.vfio_bind:
    config:
      - {name: '0000:05:00.0'}
      - {name: enp6s0/0}

- name: The kernel's own driver has it again
  virtnet.qemu.vfio_bind:
    name: '52:54:00:aa:01:01'
    state: absent
"""

RETURN = r"""
commands:
  description: The changes as a person would type them; in check mode those that would be made.
  returned: success
  type: list
  elements: str
  sample:
    - modprobe vfio-pci
    - echo vfio-pci > /sys/bus/pci/devices/0000:04:00.0/driver_override
    - echo 0000:04:00.0 > /sys/bus/pci/devices/0000:04:00.0/driver/unbind
    - echo 0000:04:00.0 > /sys/bus/pci/drivers_probe
before:
  description: The changed devices as they were.
  returned: success
  type: list
  elements: dict
after:
  description: The changed devices as they are now.
  returned: success
  type: list
  elements: dict
  sample:
    - address: '0000:04:00.0'
      driver: vfio-pci
      group: '3'
      name: '52:54:00:aa:01:01'
      override: vfio-pci
      persistent: true
repaired:
  description:
    - What had been changed by hand since an earlier run, and was put right; in check mode what would be.
    - See the collection's docs/drift.md for what is known of earlier runs. A warning says the same.
  returned: success
  type: list
  elements: str
  sample: ["vfio_binding 0000:04:00.0: driver was e1000e"]
"""

from ansible_collections.virtnet.qemu.plugins.module_utils._host.vfio import VfioBinding
from ansible_collections.virtnet.qemu.plugins.module_utils._reconcile import run_module
from ansible_collections.virtnet.qemu.plugins.module_utils._spec import vfio


def main() -> None:
    run_module(vfio.VfioBinding, VfioBinding)


if __name__ == "__main__":
    main()
