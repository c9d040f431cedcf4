# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.virtnet.qemu.plugins.module_utils._spec import qemu_help

MACHINES = """\
Supported machines are:
microvm              microvm (i386)
pc                   Standard PC (i440FX + PIIX, 1996) (alias of pc-i440fx-7.2)
q35                  Standard PC (Q35 + ICH9, 2009) (alias of pc-q35-7.2)
"""
#: QEMU 7.2.
CPUS = """\
Available CPUs:
x86 486                   (alias configured by machine type)
x86 EPYC-v1               AMD EPYC Processor
x86 host                  processor with all supported host features
x86 max                   Enables all features supported by the accelerator in the current host

Recognized CPUID flags:
  3dnow 3dnowext
"""
#: QEMU 10.0 leaves the architecture out.
NEWER_CPUS = """\
Available CPUs:
  486                   (alias configured by machine type)
  EPYC-v1               AMD EPYC Processor
"""
DEVICES = """\
Storage devices:
name "virtio-blk-pci", bus PCI, alias "virtio-blk"

Network devices:
name "e1000", bus PCI, alias "e1000-82540em", desc "Intel Gigabit Ethernet"
name "ne2k_isa", bus ISA
name "usb-net", bus usb-bus
name "virtio-net-pci", bus PCI, alias "virtio-net"

Input devices:
name "i8042", bus ISA
"""


def test_machines():
    assert qemu_help.machines(MACHINES) == ("microvm", "pc", "q35")


def test_cpus():
    assert qemu_help.cpus(CPUS) == ("486", "EPYC-v1", "host", "max")
    assert qemu_help.cpus(NEWER_CPUS) == ("486", "EPYC-v1", "host", "max")


def test_nics_are_those_of_the_pci_bus():
    assert qemu_help.nics(DEVICES) == ("e1000", "e1000-82540em", "virtio-net-pci", "virtio-net")
