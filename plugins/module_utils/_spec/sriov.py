# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The virtual functions of a NIC (SR-IOV): how many, and what each may do on the LAN. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from . import address, ip, pci
from .base import MARK, SpecError, Step, control, hidden
from .pci import VFIO, Identity, PciBus, PciDevice
from .pci_world import PciResource, PciWorld

DEVICES = "/sys/bus/pci/devices"
#: Of a NIC that is up for its functions only. Else it would answer ARP for the addresses of the host's other NICs, and
#: nobody would reach these any more once it goes down; and it would take an address from a router (ip-sysctl.rst).
APART = {"ipv4/arp_ignore": "1", "ipv6/accept_ra": "0"}
#: What ip-link(8) calls the settings of a virtual function.
_WORDS = {"mac": "mac", "vlan": "vlan", "spoof_check": "spoofchk", "trust": "trust"}


@dataclass(frozen=True)
class Function:
    """A virtual function; ``vlan`` 0 is none."""

    mac: str | None = None
    vlan: int | None = None
    spoof_check: bool | None = None
    trust: bool | None = None

    def over(self, have: Function) -> Function:
        """`have` with what this says."""
        given = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) is not None}
        return replace(have, **given)

    def words(self, have: Function | None = None) -> list[str]:
        """As ip-link(8) takes it, without what `have` has already."""
        words = []
        for name, word in _WORDS.items():
            value = getattr(self, name)
            if value is not None and value != getattr(have, name, None):
                words += [word, {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)]
        return words


@dataclass(frozen=True)
class Record:
    """What we noted of a NIC: who it is, how it was, and what is to be set at boot too."""

    name: str
    identity: Identity
    up: bool
    autoprobe: bool
    boot: bool
    sysctls: tuple[tuple[str, str], ...] = ()
    count: int = 0
    probes: bool = True
    functions: tuple[Function, ...] = ()

    @property
    def by_serial(self) -> bool:
        return self.identity.serial is not None and not pci.is_slot(self.name)


@dataclass(frozen=True)
class Sriov(PciResource):
    """``autoprobe``: the host's own drivers get new virtual functions. ``up``: the NIC itself is up. ``sysctls``: its
    own that keep it apart from the host's network, as family/name and value."""

    kind = "sriov"

    name: str
    address: str = ""
    interface: str = ""
    count: int | None = None
    autoprobe: bool | None = None
    functions: tuple[Function, ...] | None = None
    up: bool | None = hidden()
    sysctls: tuple[tuple[str, str], ...] = hidden(())
    record: Record | None = hidden()
    state: str = control("present")
    adopt: bool = control(False)
    persist: str = control("auto")

    argument_spec = {
        "name": {"type": "str"},
        "count": {"type": "int"},
        "autoprobe": {"type": "bool"},
        "functions": {
            "type": "list",
            "elements": "dict",
            "options": {
                "mac": {"type": "str"},
                "vlan": {"type": "int"},
                "spoof_check": {"type": "bool"},
                "trust": {"type": "bool"},
            },
        },
        "adopt": {"type": "bool", "default": False},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    }
    run_options = {"persist": {"type": "str", "choices": ["auto", "none"], "default": "auto"}}

    @classmethod
    def parse(cls, params: dict[str, Any]) -> Sriov:
        name = pci.selector("name", params["name"])
        steering = {key: params[key] for key in ("state", "adopt", "persist")}
        if params["state"] == "absent":
            return cls(name=name, **steering)
        given = params["functions"]
        functions = tuple(_function(f"functions[{index}]", entry) for index, entry in enumerate(given or ()))
        count = len(functions) if params["count"] is None else params["count"]
        if count < 1:
            raise SpecError("count: give the number of virtual functions, 1 or more; 'state: absent' removes them")
        if len(functions) > count:
            raise SpecError(f"functions: there are {len(functions)} entries, and 'count' is {count}; leave some out")
        _check_macs(functions)
        wanted = None if given is None else functions
        return cls(name, count=count, autoprobe=params["autoprobe"], functions=wanted, **steering)

    def recorded(self, after: Sriov | None) -> Sriov | None:
        return replace(self, count=self.record.count) if self.record and self.record.boot else None

    def target(self, world: SriovWorld, have: Sriov | None) -> Sriov | None:
        if self.state == "absent":
            return self._removed(world, have)
        device = world.claimed(self.name)
        if device is None:
            return have
        self._check(world, device, have)
        kept = have.functions if have.count == self.count else (Function(),) * self.count
        given = self.functions or ()
        given += (Function(),) * (self.count - len(given))
        functions = tuple(new.over(old) for new, old in zip(given, kept))
        autoprobe = have.autoprobe if self.autoprobe is None else self.autoprobe
        old = have.record or _found(self.name, have, device)
        sysctls = have.sysctls if old.up else tuple((name, APART[name]) for name, _value in have.sysctls)
        after = replace(have, count=self.count, autoprobe=autoprobe, up=True, sysctls=sysctls, functions=functions)
        return replace(after, record=self._record(world, old, device, after))

    def _check(self, world: SriovWorld, device: PciDevice, have: Sriov) -> None:
        where = f"name: '{self.name}' ({device.address})"
        if device.driver == VFIO:
            raise SpecError(f"{where} is bound to vfio-pci; its own driver has to have it to make virtual functions")
        if not device.interfaces:
            raise SpecError(f"{where} has no network interface, so its virtual functions cannot be set up")
        if not device.most_vfs:
            raise SpecError(f"{where} has no SR-IOV, or it is off in the firmware's set-up")
        if self.count > device.most_vfs:
            raise SpecError(f"count: {self.count} is more than the {device.most_vfs} that {device.described()} has")
        if have.count and have.record is None and not self.adopt:
            raise SpecError(
                f"{where} has {have.count} virtual functions that were not made by {MARK}; "
                "remove them, or take them over with 'adopt: true'"
            )
        if have.count != self.count:
            world.check_unused(have)

    def _record(self, world: SriovWorld, old: Record, device: PciDevice, after: Sriov) -> Record:
        here = replace(old.identity, address=device.address)
        boot = self.persist == "auto" and world.boots
        functions = old.functions[: self.count] if self.functions is None else self.functions
        return replace(
            old,
            name=self.name,
            identity=here,
            boot=boot,
            count=self.count,
            probes=bool(after.autoprobe),
            functions=functions,
        )

    def _removed(self, world: SriovWorld, have: Sriov | None) -> Sriov | None:
        if have is None or not (have.count or have.record):
            return have
        if world.device(have.address) is None:
            return None
        if have.record is None and not self.adopt:
            raise SpecError(
                f"name: '{self.name}' ({have.address}) has {have.count} virtual functions that were not made by "
                f"{MARK}; remove them with 'adopt: true'"
            )
        world.check_unused(have)
        return have.without()

    def without(self) -> Sriov:
        """It as it was before."""
        names = ("up", "autoprobe", "sysctls")
        before = {name: getattr(self.record, name) for name in names} if self.record else {}
        return replace(self, count=0, functions=(), record=None, **before)

    @classmethod
    def steps(cls, before: Sriov | None, after: Sriov | None) -> list[Step]:
        if before is None:
            return [_note(after.address, None, after.record)]
        if after is None:
            after = before.without() if before.interface else replace(before, record=None)
        # The note first: by it the next run finds what a killed one has done.
        steps = [_note(after.address, before.record, after.record)] if after.record not in (None, before.record) else []
        steps += _made(before, after) + _set_up(before, after)
        if before.record and after.record is None:
            steps.append(_note(before.address, before.record, None))
        return steps

    @classmethod
    def report(cls, wants: list[Sriov], world: SriovWorld, changes: list[Any]) -> dict[str, Any]:
        devices = [found for want in wants if (found := world.observed(want.name))]
        return {"devices": [{**found.as_dict(), "addresses": world.functions(found.address)} for found in devices]}

    def as_dict(self) -> dict[str, Any]:
        shown = super().as_dict()
        if self.functions is not None:
            shown["functions"] = [
                {f.name: getattr(one, f.name) for f in fields(one) if getattr(one, f.name) is not None}
                for one in self.functions
            ]
        return {**shown, "persistent": bool(self.record and self.record.boot)}


def _found(name: str, have: Sriov, device: PciDevice) -> Record:
    """What is noted of a NIC that nothing is noted of yet."""
    return Record(name, pci.identity(device), bool(have.up), bool(have.autoprobe), boot=False, sysctls=have.sysctls)


def _function(where: str, given: dict[str, Any]) -> Function:
    vlan = given["vlan"]
    if vlan is not None and not 0 <= vlan <= 4094:
        raise SpecError(f"{where}.vlan: {vlan} is out of range; it is from 1 to 4094, or 0 for none")
    return Function(address.mac(f"{where}.mac", given["mac"]), vlan, given["spoof_check"], given["trust"])


def _check_macs(functions: tuple[Function, ...]) -> None:
    macs = [function.mac for function in functions if function.mac]
    for mac in macs:
        if macs.count(mac) > 1:
            raise SpecError(f"functions: mac '{mac}' is given twice; each virtual function has its own")


def _made(before: Sriov, after: Sriov) -> list[Step]:
    """The kernel changes their number from and to none only."""
    steps = []
    if before.count and after.count != before.count:
        steps.append(_attribute(after, "sriov_numvfs", 0))
    if after.autoprobe != before.autoprobe:
        steps.append(_attribute(after, "sriov_drivers_autoprobe", int(after.autoprobe)))
    if after.count and after.count != before.count:
        steps.append(_attribute(after, "sriov_numvfs", after.count))
    return steps


def _attribute(after: Sriov, name: str, value: int) -> Step:
    args = {"address": after.address, "name": name, "value": value}
    return Step("attribute", args, f"echo {value} > {DEVICES}/{after.address}/{name}")


def _set_up(before: Sriov, after: Sriov) -> list[Step]:
    """A NIC that is down passes nothing on to its virtual functions."""
    keys = sysctl_keys(after.interface)
    steps = [
        ip.sysctl_set(None, keys[name], value) for name, value in after.sysctls if (name, value) not in before.sysctls
    ]
    if after.up != before.up:
        # Never up without them.
        steps = [*steps, _link(after, ["up"])] if after.up else [_link(after, ["down"]), *steps]
    same = before.count == after.count
    for number, function in enumerate(after.functions or ()):
        words = function.words(before.functions[number] if same else None)
        steps += [_link(after, ["vf", str(number), *words])] if words else []
    return steps


def sysctl_keys(interface: str) -> dict[str, str]:
    """Those that keep an interface apart, as sysctl(8) calls them, by family/name."""
    parts = {name: name.split("/") for name in APART}
    return {name: ip.setting(family, interface, word) for name, (family, word) in parts.items()}


def _link(after: Sriov, words: list[str]) -> Step:
    argv = ["ip", "link", "set", "dev", after.interface, *words]
    return Step("link", {"argv": argv}, shlex.join(argv))


def _note(address: str, old: Record | None, new: Record | None) -> Step:
    line = f"# {'note' if new else 'forget'} {address} as set up by {MARK}"
    return Step("note", {"old": old, "new": new}, line)


class SriovWorld(PciWorld):
    """With the NICs that have virtual functions as they are, by address."""

    def __init__(
        self, devices: PciBus, found: Mapping[str, Sriov], records: Iterable[Record] = (), boots: bool = True
    ) -> None:
        super().__init__(devices, records, boots)
        self._found = found

    def observed(self, name: str) -> Sriov | None:
        """A NIC as it is, or what is noted of one that is gone."""
        record = next((record for record in self.records if record.name == name), None)
        device = self.device(name) or (record and self.devices.current(record.identity))
        if device is None:
            return record and Sriov(name, record.identity.address, record=record)
        noted = next((record for record in self.records if self.devices.current(record.identity) == device), None)
        return replace(self._found.get(device.address, Sriov(name, device.address, count=0)), name=name, record=noted)

    def functions(self, address: str) -> list[str]:
        """The PCI addresses of a NIC's virtual functions."""
        device = self.devices.devices.get(address)
        return list(device.vfs) if device else []

    def check_unused(self, nic: Sriov) -> None:
        """Refuse to do away with virtual functions that somebody has."""
        for number, place in enumerate(self.functions(nic.address)):
            function = self.devices.devices.get(place)
            if function and function.users:
                raise SpecError(
                    f"name: virtual function {number} of '{nic.name}' is in use by {', '.join(function.users)}; "
                    "stop the guest first"
                )
            if function and function.uses:
                raise SpecError(f"name: virtual function {number} of '{nic.name}' {'; '.join(function.uses)}")
