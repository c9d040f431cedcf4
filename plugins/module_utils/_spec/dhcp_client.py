# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host's own DHCP lease on an interface: a client, busybox's udhcpc, with its script. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from . import address, dhcp
from .base import Resource, SpecError, Step, control, hidden
from .service import ServedWorld, Service, instance_name, typed
from .world import World

CONFIG = "/etc/virtnet/dhcp_client"
RUNTIME = "virtnet/dhcp_client"
SERVICE = "dhcp-client-"
_CAPABILITIES = ("NET_ADMIN", "NET_BIND_SERVICE", "NET_RAW")
#: The client does not run as it should, or what the lease gave is not on the interface, or is though no client runs.
OUTDATED = "outdated"
_STOP_TIMEOUT = 10


@dataclass(frozen=True)
class Lease:
    """What a client's script noted of what it did. The routes are words of ip-route(8)."""

    address: str
    routes: tuple[str, ...] = ()

    @property
    def routers(self) -> list[str]:
        words = [route.split() for route in self.routes]
        return [route[2] for route in words if route[0] == "0.0.0.0/0" and route[1] == "via"]


@dataclass(frozen=True)
class DhcpClient(Resource):
    """What a user wants of a client; `Client` is what that comes to on a host. ``timeout`` is in seconds."""

    kind = "dhcp_client"

    name: str
    interface: str = ""
    netns: str | None = None
    metric: int | None = None
    hostname: str | None = None
    timeout: int = control(60)
    state: str = control("started")
    supervisor: str = control("auto")

    argument_spec = {
        "name": {"type": "str"},
        "interface": {"type": "str"},
        "netns": {"type": "str"},
        "metric": {"type": "int"},
        "hostname": {"type": "str"},
        "timeout": {"type": "int", "default": 60},
        "state": {"type": "str", "choices": ["started", "stopped", "absent"], "default": "started"},
    }
    run_options = {"supervisor": {"type": "str", "choices": ["auto", "systemd", "daemon"], "default": "auto"}}

    @classmethod
    def parse(cls, params: dict[str, Any]) -> DhcpClient:
        name = instance_name(params["name"])
        if params["state"] == "absent":
            # For a removal the name is enough, and what else is given need not fit any more.
            return cls(name=name, state="absent", supervisor=params["supervisor"])
        if not params["interface"]:
            raise SpecError("interface: it is not given; name the interface that is to have the lease, such as br-lan")
        return cls(
            name=name,
            interface=address.ifname("interface", params["interface"]),
            netns=address.netns_name("netns", params["netns"]),
            metric=_at_least("metric", params["metric"], 0, 2**32 - 1),
            hostname=dhcp.hostname("hostname", params["hostname"]) if params["hostname"] else None,
            timeout=_at_least("timeout", params["timeout"], 1, 3600),
            state=params["state"],
            supervisor=params["supervisor"],
        )

    @classmethod
    def gathered(cls, wants: list[DhcpClient]) -> list[DhcpClient]:
        served: dict[tuple[str | None, str], str] = {}
        for want in wants:
            other = served.setdefault(want.place, want.name)
            if want.interface and other != want.name:
                raise SpecError(f"interface: '{want.interface}' is given to '{other}' and to '{want.name}'; keep one")
        return wants

    @property
    def key(self) -> str:
        return self.name

    @property
    def place(self) -> tuple[str | None, str]:
        return self.netns, self.interface

    @classmethod
    def owned_keys(cls, world: DhcpClientWorld) -> list[str]:
        return list(world.instances)

    @classmethod
    def observed(cls, world: DhcpClientWorld, key: str) -> Client | None:
        return world.instances.get(key)

    @classmethod
    def report(cls, wants: list[DhcpClient], world: DhcpClientWorld, changes: list[Any]) -> dict[str, Any]:
        leases = {want: world.leases.get(want.name) for want in wants if want.state == "started"}
        shown = [
            {
                "name": want.name,
                "interface": want.interface,
                "address": lease.address if lease else None,
                "routers": lease.routers if lease else [],
            }
            for want, lease in leases.items()
        ]
        return {"leases": shown}

    def target(self, world: DhcpClientWorld, have: Client | None) -> Client | None:
        if self.state == "absent":
            return None
        self._check(world)
        return replace(world.wanted[self.name], process="running" if self.state == "started" else "stopped")

    def _check(self, world: DhcpClientWorld) -> None:
        other = world.served.get(self.place, self.name)
        if other != self.name:
            raise SpecError(
                f"interface: '{self.interface}' has its lease by the client '{other}'; "
                f"go on using that name, or remove it by 'state: absent' first"
            )
        world.links.require_netns("netns", self.netns)
        found = world.links.require_link("interface", self.netns, self.interface)
        if found is None:
            return
        if found.hardware not in ("ethernet", "wireless"):
            raise SpecError(
                f"interface: '{self.interface}' is no Ethernet interface ({found.hardware}); choose another"
            )
        if found.master:
            raise SpecError(
                f"interface: '{self.interface}' is a port of '{found.master}'; "
                f"ask there for the lease, with 'interface: {found.master}'"
            )
        if not found.up:
            world.links.missing.append(f"interface: '{self.interface}' is down; bring it up first")


@dataclass(frozen=True)
class Client(Resource):
    """A client on a host. ``process`` is running, stopped or outdated; ``service`` is what the supervisor has."""

    kind = "dhcp_client"

    name: str
    process: str
    interface: str | None = None
    netns: str | None = None
    metric: int | None = None
    hostname: str | None = None
    script: str | None = hidden()
    service: str | None = hidden()
    systemd: bool = control(False)

    @property
    def key(self) -> str:
        return self.name

    @classmethod
    def observed(cls, world: DhcpClientWorld, key: str) -> Client | None:
        return world.instances.get(key)

    def recorded(self, after: Client | None) -> Client | None:
        """The service names the script that it was installed for, and is enabled when it is to run."""
        return after if after and self.service == after.service else None

    @classmethod
    def steps(cls, before: Client | None, after: Client | None) -> list[Step]:
        if after is None:
            return [before._step("remove")]
        again = before is None or (before.process, before.script) != (after.process, after.script)
        steps = []
        if again and before and before.process != "stopped":
            # By the script that is still there, which knows what it did.
            steps.append(before._step("stop"))
        if after.script is not None and after.script != (before and before.script):
            steps.append(after._step("write", text=after.script))
        if after.service is not None and after.service != (before and before.service):
            steps.append(after._step("install", text=after.service))
        if again and after.process != "stopped":
            steps.append(after._step("start"))
        return steps

    def _step(self, verb: str, **more: str) -> Step:
        args = {"name": self.name, "interface": self.interface, "netns": self.netns}
        return Step(verb, {**args, **more}, self._line(verb))

    def _line(self, verb: str) -> str:
        """What a person would type."""
        file = script_file(self.name)
        if verb == "write":
            return f"tee {file}"
        start = f"udhcpc -i {self.interface} -s {file}"
        return typed(f"{SERVICE}{self.name}", verb, self.systemd, start, f"rm {file}")


class DhcpClientWorld(ServedWorld):
    """``served``: the clients that are installed, by namespace and interface, without those that are to go."""

    def __init__(
        self,
        clients: Mapping[str, Client],
        leases: Mapping[str, Lease],
        wanted: Mapping[str, Client],
        served: Mapping[tuple[str | None, str], str],
        links: World,
    ):
        super().__init__(clients, wanted, links)
        self.leases = leases
        self.served = served


def script_file(name: str) -> str:
    return f"{CONFIG}/{name}"


def record_file(name: str) -> str:
    """What the lease gave and the script set."""
    return f"/run/{RUNTIME}/{name}.lease"


def ready_file(name: str) -> str:
    """It is there from the first lease on."""
    return f"/run/{RUNTIME}/{name}.ready"


def service(want: DhcpClient, program: list[str], digest: str) -> Service:
    """What the supervisor runs; `digest` is of the script."""
    # Every second at first, later after a pause; it does not give up, and it releases the lease at its end.
    argv = [*program, "-f", "-R", "-t", "5", "-T", "1", "-A", "5", "-i", want.interface]
    argv += ["-s", script_file(want.name), "-O", "staticroutes", "-O", "mtu"]
    argv += ["-x", f"hostname:{want.hostname}"] if want.hostname else []
    return Service(
        name=SERVICE + want.name,
        description=f"DHCP lease of {want.interface}",
        argv=tuple(argv),
        netns=want.netns,
        environment=(("VIRTNET_CONFIG", digest),),
        runtime_directory=RUNTIME,
        ready_file=ready_file(want.name),
        start_timeout=want.timeout,
        stop_timeout=_STOP_TIMEOUT,
        enabled=want.state != "stopped",
        unit_options=(
            ("CapabilityBoundingSet", " ".join(f"CAP_{name}" for name in _CAPABILITIES)),
            ("ProtectHome", "yes"),
            # At boot the interface may come late; systemd gives up on what fails five times within ten seconds.
            ("RestartSec", "5s"),
        ),
    )


def lease(record: str | None) -> Lease | None:
    """What a script's record says; each line is a word for what it is about, and words of ip(8)."""
    lines = [line.split(" ", 1) for line in (record or "").splitlines() if " " in line]
    addresses = [words.split()[0] for what, words in lines if what == "address"]
    if not addresses:
        return None
    return Lease(addresses[0], tuple(words for what, words in lines if what == "route"))


def _at_least(option: str, value: int | None, least: int, most: int) -> int | None:
    if value is not None and not least <= value <= most:
        raise SpecError(f"{option}: {value} is out of range; it is from {least} to {most}")
    return value
