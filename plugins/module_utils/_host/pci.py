# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The PCI devices of this host, as sysfs shows them: the kernel's Documentation/ABI/testing/sysfs-bus-pci."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from .._spec.pci import Identity, Interface, PciBus, PciDevice, is_slot, serial_in
from . import pci_uses
from .errors import HostError

SYS = Path("/sys")
DEVICES = SYS / "bus/pci/devices"
GROUPS = SYS / "kernel/iommu_groups"


def bus(known: Iterable[Identity] = ()) -> PciBus:
    """All devices, and what is remembered of some."""
    uses, interfaces = pci_uses.Uses(), _interfaces()
    return PciBus((_device(path, interfaces, uses) for path in sorted(DEVICES.glob("*"))), known)


def iommu() -> bool:
    """Whether the kernel uses an IOMMU."""
    return GROUPS.is_dir() and any(GROUPS.iterdir())


def _device(path: Path, found: Mapping[str, list[Path]], uses: pci_uses.Uses) -> PciDevice:
    group = _target(path / "iommu_group")
    links = {link.name: link for link in [*(path / "net").glob("*"), *found.get(path.name, ())]}
    interfaces = tuple(_interface(links[name]) for name in sorted(links))
    return PciDevice(
        address=path.name,
        model=":".join(text(path / name).partition("x")[2] for name in ("vendor", "device")),
        kind=int(text(path / "class") or "0", 16) >> 8,
        driver=_target(path / "driver"),
        override=driver_override(path),
        group=group,
        serial=serial_in(_config(path)),
        interfaces=interfaces,
        parent=_target(path / "physfn"),
        vfs=tuple(filter(None, map(_target, sorted(path.glob("virtfn*"), key=_number)))),
        most_vfs=int(text(path / "sriov_totalvfs") or "0"),
        uses=tuple(uses.of(path, [interface.name for interface in interfaces])),
        users=tuple(uses.users(group)),
    )


def current_driver(address: str) -> str | None:
    return _target(DEVICES / address / "driver")


def driver_override(path: Path) -> str | None:
    said = text(path / "driver_override")
    return None if said in ("", "(null)") else said


def text(path: Path) -> str:
    """What a file of sysfs says, or nothing where it is not there or says it to nobody."""
    with suppress(OSError, UnicodeDecodeError):
        return path.read_text(encoding="ascii").strip()
    return ""


def write(path: Path, words: str) -> None:
    """Tell the kernel something by a file of sysfs."""
    try:
        path.write_text(words, encoding="ascii")
    except OSError as exc:
        raise HostError(f"{path} does not take '{words.strip()}': {exc.strerror}") from exc


def _interfaces() -> dict[str, list[Path]]:
    """Those behind each device: not all are right below it, as with virtio and USB."""
    found: dict[str, list[Path]] = {}
    for link in (SYS / "class/net").glob("*"):
        places = [part for part in Path(os.path.realpath(link)).parts if is_slot(part)]
        if places:
            found.setdefault(places[-1], []).append(link)
    return found


def _config(path: Path) -> bytes:
    with suppress(OSError):
        return (path / "config").read_bytes()
    return b""


def _target(link: Path) -> str | None:
    """The name of what a link leads to."""
    with suppress(OSError):
        return os.path.basename(os.readlink(link))
    return None


def _number(path: Path) -> int:
    return int(path.name[len("virtfn") :])


def _interface(path: Path) -> Interface:
    return Interface(path.name, text(path / "address"))
