# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""DHCP and DNS for one network: an instance of dnsmasq(8), with its files. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from . import address, dhcp
from .address import ip_version
from .base import Resource, SpecError, Step, control, hidden
from .service import ServedWorld, Service, instance_name, typed

CONFIG = "/etc/virtnet/dnsmasq"
RUNTIME = "virtnet/dnsmasq"
#: To bind and to send, to own the lease and pid files, and to become another user.
_CAPABILITIES = ("NET_ADMIN", "NET_BIND_SERVICE", "NET_RAW", "CHOWN", "DAC_OVERRIDE", "SETGID", "SETUID")
#: The address of the option "router" that stands for none.
NONE = "none"
#: The process runs, but not from this configuration, or not where it should.
OUTDATED = "outdated"

_RECORD_SPEC = {"name": {"type": "str", "required": True}, "address": {"type": "str", "required": True}}


def _nested(options: dict[str, Any]) -> dict[str, Any]:
    return {"type": "list", "elements": "dict", "options": options}


@dataclass(frozen=True)
class Record:
    """A name in the network's DNS."""

    name: str
    address: str


@dataclass(frozen=True)
class Dnsmasq(Resource):
    """What a user wants of an instance; `Instance` is what that comes to on a host. ``mtu`` is in bytes."""

    kind = "dnsmasq"

    name: str
    interface: str = ""
    netns: str | None = None
    addresses: tuple[str, ...] = ()
    ranges: tuple[dhcp.Range, ...] = ()
    reservations: tuple[dhcp.Reservation, ...] = ()
    domain: str | None = None
    dns: bool = True
    upstream: tuple[str, ...] | None = None
    records: tuple[Record, ...] = ()
    router: str | None = None
    dns_servers: tuple[str, ...] | None = None
    mtu: int | None = None
    routes: tuple[dhcp.Route, ...] = ()
    dhcp_options: tuple[dhcp.Option, ...] = ()
    boot_file: str | None = None
    tftp_root: str | None = None
    user: str | None = None
    state: str = control("started")
    supervisor: str = control("auto")

    argument_spec = {
        "name": {"type": "str"},
        "interface": {"type": "str"},
        "netns": {"type": "str"},
        "addresses": {"type": "list", "elements": "str", "default": []},
        "ranges": {**_nested(dhcp.RANGE_SPEC), "default": []},
        "reservations": {**_nested(dhcp.RESERVATION_SPEC), "default": []},
        "domain": {"type": "str"},
        "dns": {"type": "bool", "default": True},
        "upstream": {"type": "list", "elements": "str"},
        "records": {**_nested(_RECORD_SPEC), "default": []},
        "router": {"type": "str"},
        "dns_servers": {"type": "list", "elements": "str"},
        "mtu": {"type": "int"},
        "routes": {**_nested(dhcp.ROUTE_SPEC), "default": []},
        "dhcp_options": {**_nested(dhcp.OPTION_SPEC), "default": []},
        "boot_file": {"type": "str"},
        "tftp_root": {"type": "path"},
        "user": {"type": "str"},
        "state": {"type": "str", "choices": ["started", "stopped", "present", "absent"], "default": "started"},
    }
    run_options = {"supervisor": {"type": "str", "choices": ["auto", "systemd", "daemon"], "default": "auto"}}

    @classmethod
    def parse(cls, params: dict[str, Any]) -> Dnsmasq:
        name = instance_name(params["name"])
        if params["state"] == "absent":
            # For a removal the name is enough, and what else is given need not fit any more.
            return cls(name=name, state="absent", supervisor=params["supervisor"])
        if not params["interface"]:
            raise SpecError("interface: it is not given; name the interface that the guests are behind, such as br-lab")
        addresses = address.interface_addresses("addresses", params["addresses"])
        return cls(
            name=name,
            interface=address.ifname("interface", params["interface"]),
            netns=address.netns_name("netns", params["netns"]),
            addresses=addresses,
            ranges=dhcp.ranges(params["ranges"], addresses),
            reservations=dhcp.reservations(params["reservations"], addresses),
            domain=dhcp.hostname("domain", params["domain"]) if params["domain"] else None,
            dns=params["dns"],
            upstream=_listed(params["upstream"], _upstream),
            records=tuple(sorted((_record(r) for r in params["records"]), key=lambda r: (r.name, r.address))),
            router=_router(params["router"]),
            dns_servers=_listed(params["dns_servers"], lambda value: address.address("dns_servers", value)),
            mtu=address.mtu("mtu", params["mtu"]),
            routes=dhcp.routes(params["routes"]),
            dhcp_options=dhcp.options(params["dhcp_options"]),
            boot_file=_plain("boot_file", params["boot_file"]),
            tftp_root=_folder("tftp_root", params["tftp_root"]),
            user=_user(params["user"]),
            state=params["state"],
            supervisor=params["supervisor"],
        )

    @classmethod
    def gathered(cls, wants: list[Dnsmasq]) -> list[Dnsmasq]:
        served: dict[tuple[str | None, str], str] = {}
        for want in wants:
            other = served.setdefault((want.netns, want.interface), want.name)
            if want.interface and other != want.name:
                raise SpecError(f"interface: '{want.interface}' is served by '{other}' and by '{want.name}'; keep one")
        return wants

    @property
    def key(self) -> str:
        return self.name

    @property
    def subnets(self) -> tuple[str, ...]:
        """The IPv4 subnets that are served by DHCP: those with ranges, and those with reservations only."""
        import netaddr

        own = [netaddr.IPNetwork(a).cidr for a in self.addresses if ip_version(a) == 4]
        given = [
            netaddr.IPAddress(x)
            for x in (*(r.start for r in self.ranges), *(r.address for r in self.reservations))
            if x
        ]
        return tuple(str(net) for net in own if any(x in net for x in given))

    def bound(self) -> list[frozenset[str]]:
        """The UDP sockets, as ss(8) shows them, that it must have when it runs: one of each set."""
        sockets = []
        if self.subnets:
            # Without the interface when that was missing at the start.
            sockets.append(frozenset([f"0.0.0.0%{self.interface}:67", "0.0.0.0:67"]))
        if self.dns:
            sockets += [frozenset([f"{a.partition('/')[0]}:53"]) for a in self.addresses if ip_version(a) == 4]
        return sockets

    @classmethod
    def owned_keys(cls, world: ServedWorld) -> list[str]:
        return list(world.instances)

    @classmethod
    def observed(cls, world: ServedWorld, key: str) -> Instance | None:
        return world.instances.get(key)

    def target(self, world: ServedWorld, have: Instance | None) -> Instance | None:
        if self.state == "absent":
            return None
        self._check(world)
        wanted = world.wanted[self.name]
        process = {"started": "running", "stopped": "stopped"}.get(self.state) or (have.process if have else "stopped")
        return replace(wanted, process=process, leases=have.leases if have else None)

    def _check(self, world: ServedWorld) -> None:
        links = world.links
        links.require_netns("netns", self.netns)
        found = links.require_link("interface", self.netns, self.interface)
        for wanted in self.addresses:
            if found and wanted not in found.addresses:
                links.missing.append(
                    f"addresses: '{self.interface}' does not have the address {wanted}; give it that first"
                )


@dataclass(frozen=True)
class Instance(Resource):
    """An instance on a host. ``files`` are pairs of path and text; ``process`` is running, stopped or outdated.

    ``service`` is what the supervisor has installed; ``leases`` is the text of the lease file.
    """

    kind = "dnsmasq"

    name: str
    process: str
    files: tuple[tuple[str, str], ...] = ()
    service: str | None = hidden()
    leases: str | None = control()
    systemd: bool = control(False)

    @property
    def key(self) -> str:
        return self.name

    @classmethod
    def observed(cls, world: ServedWorld, key: str) -> Instance | None:
        return world.instances.get(key)

    def recorded(self, after: Instance | None) -> Instance | None:
        """The service names the configuration that it was installed for. It ran, as there are leases."""
        if after is None or self.service not in (None, after.service):
            return None
        config = config_file(self.name)
        files = {path: text for path, text in after.files if path == config} if self.service else {}
        ran = self.leases is not None and after.process == "running"
        return replace(
            self,
            process=after.process if ran else self.process,
            files=tuple(sorted({**dict(self.files), **files}.items())),
            service=after.service,
        )

    def as_dict(self) -> dict[str, Any]:
        # By lines, so that a diff shows those that differ.
        files = {path: text.splitlines() for path, text in self.files}
        return {"name": self.name, "process": self.process, "files": files}

    @classmethod
    def steps(cls, before: Instance | None, after: Instance | None) -> list[Step]:
        if after is None:
            return [Step("remove", {"name": before.name}, before._line("remove"))]
        old, new = dict(before.files) if before else {}, dict(after.files)
        written = [path for path, text in new.items() if old.get(path) != text]
        gone = [path for path in old if path not in new]
        steps = [
            Step("write", {"name": after.name, "path": path, "text": new[path]}, f"tee {path}") for path in written
        ]
        steps += [Step("unlink", {"name": after.name, "path": path}, f"rm {path}") for path in gone]
        if before is None and after.leases is not None:
            steps.append(
                Step(
                    "write",
                    {"name": after.name, "path": leases(after.name), "text": after.leases},
                    f"tee {leases(after.name)}",
                )
            )
        if after.service is not None and after.service != (before and before.service):
            steps.append(Step("install", {"name": after.name, "text": after.service}, after._line("install")))
        # What is added is read without being asked; what is changed or removed is not (dnsmasq(8), --dhcp-hostsdir).
        stale = bool(gone or set(written) & set(old))
        verb = _verb(before.process if before else "stopped", after.process, stale)
        return steps + ([Step(verb, {"name": after.name}, after._line(verb))] if verb else [])

    def _line(self, verb: str) -> str:
        start = f"dnsmasq --conf-file={config_file(self.name)}"
        remove = f"rm -r {CONFIG}/{self.name}.* {leases(self.name)}"
        return typed(f"dnsmasq-{self.name}", verb, self.systemd, start, remove)


def config_file(name: str) -> str:
    return f"{CONFIG}/{name}.conf"


def hosts_directory(name: str) -> str:
    """One file for each guest with a reservation."""
    return f"{CONFIG}/{name}.hosts"


def names_directory(name: str) -> str:
    """Names and addresses for the DNS, as in hosts(5)."""
    return f"{CONFIG}/{name}.names"


def leases(name: str) -> str:
    return f"/var/lib/{RUNTIME}/{name}.leases"


def pid_file(name: str) -> str:
    return f"/run/{RUNTIME}/{name}.pid"


def service(want: Dnsmasq, program: str, digest: str) -> Service:
    """What the supervisor runs; `digest` is of the configuration that the process is to have read."""
    return Service(
        name=f"dnsmasq-{want.name}",
        description=f"DHCP and DNS for the guests behind {want.interface}",
        argv=(program, "--keep-in-foreground", f"--conf-file={config_file(want.name)}"),
        netns=want.netns,
        environment=(("VIRTNET_CONFIG", digest),),
        runtime_directory=RUNTIME,
        state_directory=RUNTIME,
        ready_file=pid_file(want.name),
        reload=True,
        enabled=want.state != "stopped",
        unit_options=(
            ("CapabilityBoundingSet", " ".join(f"CAP_{name}" for name in _CAPABILITIES)),
            ("ProtectHome", "yes"),
        ),
    )


def _verb(before: str, after: str, stale: bool) -> str | None:
    if before == after:
        return "reload" if stale and after != "stopped" else None
    if after == "stopped":
        return "stop"
    return "start" if before == "stopped" else "restart"


def _user(value: str | None) -> str | None:
    if value is not None and not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", value):
        raise SpecError(f"user: '{value}' is not the name of a user")
    return value


def _router(value: str | None) -> str | None:
    if value in (None, NONE):
        return value
    if ip_version(address.address("router", value)) != 4:
        raise SpecError(f"router: {value} is not IPv4; guests learn IPv6 routers by router advertisements")
    return value


def _plain(option: str, value: str | None) -> str | None:
    """A word that stands for itself in a line of the configuration."""
    if value is not None and not re.fullmatch(r"""[^\s,"'#\\\x00-\x1f\x7f]{1,127}""", value):
        raise SpecError(
            f"{option}: '{value}' cannot be given to dnsmasq; use up to 127 characters without white space, commas, "
            "quotes, '#' and '\\'"
        )
    return value


def _folder(option: str, value: str | None) -> str | None:
    if value is not None and not value.startswith("/"):
        raise SpecError(f"{option}: '{value}' is not an absolute path; begin it with '/'")
    return _plain(option, value)


def _upstream(value: str) -> str:
    """An address, or ``address#port``, or ``/domain/address`` (dnsmasq(8), --server)."""
    match = re.fullmatch(r"(?:/([^/]+)/)?([^/#]+)(?:#([0-9]{1,5}))?", value)
    if not match or int(match[3] or 53) > 65535:
        raise SpecError(
            f"upstream: '{value}' is no resolver; write it as in 192.0.2.1, 192.0.2.1#5353 or /example.org/192.0.2.1"
        )
    domain = f"/{dhcp.hostname('upstream', match[1])}/" if match[1] else ""
    return f"{domain}{address.address('upstream', match[2])}{'#' + match[3] if match[3] else ''}"


def _record(entry: dict[str, Any]) -> Record:
    return Record(dhcp.hostname("records", entry["name"]), address.address("records", entry["address"]))


def _listed(values: list[str] | None, parse: Callable[[str], str]) -> tuple[str, ...] | None:
    return None if values is None else tuple(parse(value) for value in values)
