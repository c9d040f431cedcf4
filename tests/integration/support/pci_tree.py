# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A PCI bus of plain files on a sandbox host: what is there can be seen, but no kernel answers to what is written."""

from __future__ import annotations

from typing import Any

from tests.sandbox import Sandbox

BUS = "/sys/bus/pci"
MODPROBE = """#!/bin/sh
# usage: modprobe [--dry-run --quiet] NAME
[ "$1" = --dry-run ] && exec test "$3" = vfio-pci
mkdir -p "/sys/bus/pci/drivers/$1"
"""


class PciTree:
    """:param host: a fresh one, whose own bus it hides"""

    def __init__(self, host: Sandbox, iommu: bool = True) -> None:
        self._host = host
        for folder in (BUS, "/sys/kernel/iommu_groups"):
            host.run(["mount", "-t", "tmpfs", "tmpfs", folder])
        host.run(["mkdir", f"{BUS}/devices", f"{BUS}/drivers"])
        host.path(f"{BUS}/drivers_probe").touch()
        if iommu:
            host.run(["mkdir", "/sys/kernel/iommu_groups/1"])
        program = host.path("/usr/local/sbin/modprobe")
        program.write_text(MODPROBE)
        program.chmod(0o755)

    def plug(self, address: str, driver: str | None, group: str, **more: Any) -> None:
        """A device; ``nic`` is the name of an interface of the host, which is made with the MAC address ``mac``."""
        nic, mac = more.pop("nic", None), more.pop("mac", "52:54:00:00:00:01")
        folder = f"{BUS}/devices/{address}"
        self._host.run(["mkdir", folder])
        values = {"vendor": "0x8086", "device": "0x10d3", "class": "0x020000", "driver_override": "(null)", **more}
        for name, value in values.items():
            self._host.path(f"{folder}/{name}").write_text(f"{value}\n")
        if driver:
            self._host.run(["mkdir", "-p", f"{BUS}/drivers/{driver}"])
            self._host.run(["ln", "-s", f"{BUS}/drivers/{driver}", f"{folder}/driver"])
            self._host.path(f"{BUS}/drivers/{driver}/unbind").touch()
        self._host.run(["ln", "-s", f"/sys/kernel/iommu_groups/{group}", f"{folder}/iommu_group"])
        if nic:
            self._host.run(["ip", "link", "add", nic, "address", mac, "type", "veth", "peer", "name", f"{nic}p"])
            self._host.run(["mkdir", "-p", f"{folder}/net/{nic}"])
            self._host.path(f"{folder}/net/{nic}/address").write_text(f"{mac}\n")

    def function(self, physical: str, number: int, address: str) -> None:
        """Make a device that is there virtual function `number` of another one."""
        for link, target in ((f"{physical}/virtfn{number}", address), (f"{address}/physfn", physical)):
            self._host.run(["ln", "-s", f"../{target}", f"{BUS}/devices/{link}"])

    def read(self, path: str) -> str:
        return self._host.path(f"{BUS}/{path}").read_text().strip()
