# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A guest's NICs and what is behind them. Pure."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from typing import Any

from . import address, guest_paths as paths
from .base import SpecError
from .mac_address import nic_number

TYPES = ("tap", "bridge", "user", "none")
PROTOCOLS = ("tcp", "udp")

NIC_OPTIONS = {
    "type": {"type": "str", "choices": list(TYPES), "default": "tap"},
    "bridge": {"type": "str"},
    "isolated": {"type": "bool", "default": False},
    "ifname": {"type": "str"},
    "model": {"type": "str", "default": "virtio-net-pci"},
    "mac": {"type": "str"},
    "id": {"type": "str"},
    "queues": {"type": "int", "default": 1},
    "vhost": {"type": "bool"},
    "pci_address": {"type": "str"},
    "vectors": {"type": "int"},
    "romfile": {"type": "str"},
    "script": {"type": "path"},
    "downscript": {"type": "path"},
    "restrict": {"type": "bool", "default": False},
    "hostfwd": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "port": {"type": "int", "required": True},
            "guest_port": {"type": "int"},
            "protocol": {"type": "str", "choices": list(PROTOCOLS), "default": "tcp"},
            "address": {"type": "str", "default": "127.0.0.1"},
        },
    },
}

#: Options that only some types of NIC have.
_ONLY = {
    "bridge": ("tap", "bridge"),
    "isolated": ("tap",),
    "ifname": ("tap",),
    "queues": ("tap",),
    "vhost": ("tap",),
    "script": ("tap",),
    "downscript": ("tap",),
    "hostfwd": ("user",),
    "restrict": ("user",),
}
#: QEMU's short names, as in `-nic model=`.
_MODELS = {"virtio": "virtio-net-pci", "virtio-net": "virtio-net-pci"}
#: MAX_TAP_QUEUES of the kernel's drivers/net/tun.c is 256; QEMU's own limit is far above.
_MAX_QUEUES = 256
#: What a NIC has of its tap's name, with room left for the guest.
_SUFFIX_MAX = 7


@dataclass(frozen=True)
class HostForward:
    """Port ``port`` of ``address`` of the host leads to ``guest_port`` of the guest."""

    protocol: str
    address: str
    port: int
    guest_port: int

    @property
    def place(self) -> tuple[str, str, int]:
        return self.protocol, self.address, self.port


@dataclass(frozen=True)
class Nic:
    """``mac`` is None until it is derived. ``vhost`` None: where there is one. ``romfile`` '' is no option ROM.

    ``slot`` is where it is plugged in (`guest_pci`), and nothing that a user gives.
    """

    type: str
    id: str
    model: str
    mac: str | None = None
    bridge: str | None = None
    ifname: str | None = None
    queues: int = 1
    vhost: bool | None = None
    pci_address: str | None = None
    vectors: int | None = None
    romfile: str | None = None
    script: str | None = None
    downscript: str | None = None
    restrict: bool = False
    hostfwd: tuple[HostForward, ...] = ()
    isolated: bool = False
    slot: int | None = None

    @property
    def own_tap(self) -> bool:
        """Whether its tap is made and removed with the guest; otherwise someone else made it."""
        return self.type == "tap" and self.bridge is not None and not self.lost

    @property
    def lost(self) -> bool:
        """Whether its tap was removed behind its back. No other tap can take the place of that."""
        return self.type == "tap" and self.ifname is None

    @property
    def lost_its_tap(self) -> Nic:
        return replace(self, ifname=None)

    @property
    def is_virtio(self) -> bool:
        return self.model.startswith("virtio-net")


def nic_from_data(data: dict[str, Any]) -> Nic:
    """The opposite of `dataclasses.asdict`. Raises TypeError or KeyError for anything else."""
    return Nic(**{**data, "hostfwd": tuple(HostForward(**forward) for forward in data["hostfwd"])})


def tap_name(guest: str, nic: int | str) -> str:
    """``GUEST-NIC``, by the NIC's number or id; of what is too long, as much as leaves room for a digest of all."""
    suffix = f"-{nic_number(nic)}"
    if len(suffix) > _SUFFIX_MAX:
        suffix = f"-{hashlib.sha256(suffix.encode()).hexdigest()[:6]}"
    if len(guest) + len(suffix) <= address.IFNAME_MAX:
        return guest + suffix
    digest = hashlib.sha256(guest.encode()).hexdigest()[:6]
    return f"{guest[: address.IFNAME_MAX - len(suffix) - 7]}-{digest}{suffix}"


def parse_nics(entries: list[dict[str, Any]] | None, guest: str) -> tuple[Nic, ...] | None:
    if entries is None:
        return None
    if any(entry["type"] == "none" for entry in entries):
        if len(entries) > 1:
            raise SpecError("nics: type 'none' says that the guest has no NIC; take it out, or the other entries")
        return ()
    nics = tuple(_parse(f"nics[{index}]", index, entry, guest) for index, entry in enumerate(entries))
    for option in ("id", "ifname", "mac"):
        values = [getattr(nic, option) for nic in nics if getattr(nic, option)]
        for value in values:
            if values.count(value) > 1:
                raise SpecError(f"nics: {option} '{value}' is given twice; each NIC has its own")
    return nics


def _parse(where: str, index: int, entry: dict[str, Any], guest: str) -> Nic:
    kind = entry["type"]
    for option, kinds in _ONLY.items():
        if kind not in kinds and entry[option] not in (None, NIC_OPTIONS[option].get("default")):
            raise SpecError(f"{where}.{option}: a NIC of type '{kind}' has none; it is for {' and '.join(kinds)}")
    if kind == "tap" and not (entry["bridge"] or entry["ifname"]):
        raise SpecError(
            f"{where}: a NIC of type 'tap' needs the 'bridge' it is to join, or the 'ifname' of a tap that exists"
        )
    if kind == "bridge" and not entry["bridge"]:
        raise SpecError(f"{where}: a NIC of type 'bridge' needs the 'bridge' it is to join")
    if entry["isolated"] and not entry["bridge"]:
        raise SpecError(f"{where}.isolated: it is about the NIC's place on a bridge; give the 'bridge' too")
    return Nic(
        type=kind,
        id=device_id(f"{where}.id", entry["id"] or f"nic{index}"),
        model=_MODELS.get(entry["model"], entry["model"]),
        mac=address.mac(f"{where}.mac", entry["mac"]),
        bridge=address.ifname(f"{where}.bridge", entry["bridge"]) if entry["bridge"] else None,
        ifname=_ifname(f"{where}.ifname", entry, guest, index),
        queues=_queues(f"{where}.queues", entry),
        vhost=entry["vhost"],
        pci_address=pci_address(f"{where}.pci_address", entry["pci_address"]),
        vectors=_range(f"{where}.vectors", entry["vectors"], 0, 2048),
        romfile=romfile(f"{where}.romfile", entry["romfile"]),
        script=entry["script"] and paths.absolute(f"{where}.script", entry["script"]),
        downscript=entry["downscript"] and paths.absolute(f"{where}.downscript", entry["downscript"]),
        restrict=entry["restrict"],
        hostfwd=tuple(_hostfwd(f"{where}.hostfwd[{i}]", forward) for i, forward in enumerate(entry["hostfwd"])),
        isolated=entry["isolated"],
    )


def device_id(option: str, value: str) -> str:
    """id_wellformed() of QEMU's util/id.c."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9._-]*", value):
        raise SpecError(
            f"{option}: '{value}' cannot name a device; begin with a letter and use letters, digits, '-', '.', '_'"
        )
    return value


def _ifname(option: str, entry: dict[str, Any], guest: str, index: int) -> str | None:
    if entry["type"] != "tap":
        return None
    return address.ifname(option, entry["ifname"] or tap_name(guest, entry["id"] or index))


def _queues(option: str, entry: dict[str, Any]) -> int:
    queues = _range(option, entry["queues"], 1, _MAX_QUEUES)
    if queues > 1 and not entry["model"].startswith("virtio"):
        raise SpecError(f"{option}: the model '{entry['model']}' has one queue; more are for virtio-net-pci")
    return queues


def _range(option: str, value: int | None, least: int, most: int) -> int | None:
    if value is not None and not least <= value <= most:
        raise SpecError(f"{option}: {value} is out of range; it is from {least} to {most}")
    return value


def pci_address(option: str, value: str | None) -> str | None:
    """Slot and function on the root bus, as QEMU takes them: ``5``, ``0x5`` or ``05.0``, hexadecimal."""
    if value is None:
        return None
    match = re.fullmatch(r"(?:0x)?([01]?[0-9a-f])(?:\.([0-7]))?", value.lower())
    if match is None:
        raise SpecError(f"{option}: '{value}' is not a PCI address on the guest's root bus; write it as in 05 or 05.0")
    return f"{int(match[1], 16):02x}.{match[2] or 0}"


def romfile(option: str, value: str | None) -> str | None:
    # YAML reads a bare off as false.
    if value is None or value.lower() in ("", "off", "false", "none"):
        return None if value is None else ""
    return paths.absolute(option, value)


def _hostfwd(where: str, entry: dict[str, Any]) -> HostForward:
    port = _range(f"{where}.port", entry["port"], 1, 65535)
    ip = address.address(f"{where}.address", entry["address"])
    if ":" in ip:
        raise SpecError(f"{where}.address: '{ip}' is an IPv6 address; QEMU forwards from IPv4 addresses only")
    guest_port = _range(f"{where}.guest_port", entry["guest_port"], 1, 65535)
    return HostForward(entry["protocol"], ip, port, guest_port or port)
