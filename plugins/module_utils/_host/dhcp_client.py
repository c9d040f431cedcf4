# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""DHCP clients: their scripts, and their processes under a supervisor."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from .._persist import dhcp_client as persist
from .._spec import dhcp_client as spec
from .._spec.base import Step
from .._spec.bridge import Bridge
from .._spec.dhcp_client import Client, DhcpClient as Want, DhcpClientWorld, Lease
from .._spec.service import Service, ServiceState
from .._spec.world import World
from . import files, holdings, lease, namespace, process, supervisor
from .command import attempt
from .errors import HostError
from .netlink import Netlink

_CONFIG = Path(spec.CONFIG)
_DEFAULT = ["/usr/bin/busybox", "udhcpc"]
#: In this order, each for all clients at once.
_PHASES = ("remove", "stop", "write", "install", "start")


class DhcpClient:
    """The host adapter of the module."""

    def __init__(self) -> None:
        self._netlink = Netlink()
        self._supervisor: supervisor.Supervisor | None = None

    def close(self) -> None:
        self._netlink.close()

    # -- observation -----------------------------------------------------------------------------

    def observe(self, wants: list[Want], everything: bool = False) -> DhcpClientWorld:
        choice = wants[0].supervisor if wants else "auto"
        self._supervisor = supervisor.find(choice, (spec.SERVICE + want.name for want in wants))
        kept = {want.name: want for want in wants if want.state != "absent"}
        links = self._netlink.observe([Bridge(want.interface, want.netns) for want in kept.values()])
        program = _program(links) if kept else _DEFAULT
        services = {name: spec.service(want, program, _digest(persist.script(want))) for name, want in kept.items()}
        names = {want.name for want in wants} | (self._names() if everything else set())
        states = self._supervisor.states(spec.SERVICE + name for name in names)
        leases = {name: spec.lease(files.read(Path(spec.record_file(name)))) for name in names}
        clients = {
            name: self._client(name, states[spec.SERVICE + name], leases[name], services.get(name), links)
            for name in names
        }
        return DhcpClientWorld(
            clients={name: client for name, client in clients.items() if client},
            leases={name: held for name, held in leases.items() if held},
            wanted={name: self._made(want, services[name]) for name, want in kept.items()},
            served={_place(name): name for name in _scripts() - names},
            links=links,
        )

    def _names(self) -> set[str]:
        """All clients of ours, whatever is left of them."""
        kept = self._supervisor.installed()
        return _scripts() | {name[len(spec.SERVICE) :] for name in kept if name.startswith(spec.SERVICE)}

    def _client(
        self, name: str, state: ServiceState, held: Lease | None, service: Service | None, links: World
    ) -> Client | None:
        script = files.read(Path(spec.script_file(name)))
        if script is None and state.definition is None and state.pid is None and held is None:
            return None
        return Client(
            name=name,
            process=_process(state, held, service, persist.settings(script), links),
            script=script,
            service=state.definition,
            systemd=self._supervisor.kind == "systemd",
            **persist.settings(script),
        )

    def _made(self, want: Want, service: Service) -> Client:
        text = self._supervisor.definition(service)
        script = persist.script(want)
        systemd = self._supervisor.kind == "systemd"
        return Client(want.name, "stopped", *want.place[::-1], want.metric, want.hostname, script, text, systemd)

    # -- changes ---------------------------------------------------------------------------------

    def commit(self, steps: list[Step]) -> None:
        for phase in _PHASES:
            chosen = [step.args for step in steps if step.op == phase]
            if chosen:
                getattr(self, f"_{phase}")(chosen)

    def _remove(self, chosen: list[Mapping[str, Any]]) -> None:
        self._supervisor.remove(_services(chosen))
        for args in chosen:
            _clean(args["name"], args["netns"])
            files.remove(Path(spec.script_file(args["name"])))
        for directory in (_CONFIG, Path("/run", spec.RUNTIME)):
            # Not empty: other clients are there.
            with suppress(OSError):
                directory.rmdir()

    def _stop(self, chosen: list[Mapping[str, Any]]) -> None:
        self._supervisor.stop(_services(chosen))
        for args in chosen:
            _clean(args["name"], args["netns"])

    def _write(self, chosen: list[Mapping[str, Any]]) -> None:
        for args in chosen:
            files.write(Path(spec.script_file(args["name"])), args["text"], 0o755)

    def _install(self, chosen: list[Mapping[str, Any]]) -> None:
        self._supervisor.install({spec.SERVICE + args["name"]: args["text"] for args in chosen})

    def _start(self, chosen: list[Mapping[str, Any]]) -> None:
        try:
            self._supervisor.start(_services(chosen))
        except HostError as exc:
            without = [args for args in chosen if not Path(spec.ready_file(args["name"])).exists()]
            interfaces = ", ".join(f"'{args['interface']}'" for args in without)
            raise HostError(
                f"no DHCP lease came for {interfaces}: look whether a DHCP server answers there, whether it is plugged "
                f"in, and whether STP still holds its ports back ('ip -d link', 'bridge link'); {exc}"
            ) from exc


def _services(chosen: list[Mapping[str, Any]]) -> list[str]:
    return [spec.SERVICE + args["name"] for args in chosen]


def _scripts() -> set[str]:
    """The clients that have a script; a name with a dot is a killed run's half-written file."""
    return {path.name for path in _CONFIG.glob("*") if not path.name.startswith(".")}


def _place(name: str) -> tuple[str | None, str]:
    given = persist.settings(files.read(Path(spec.script_file(name))))
    return given.get("netns"), given.get("interface", "")


def _process(
    state: ServiceState, held: Lease | None, service: Service | None, given: Mapping[str, Any], links: World
) -> str:
    if service is None or state.pid is None:
        return "running" if state.pid else spec.OUTDATED if held else "stopped"
    current = state.digest == service.digest and process.in_netns(state.pid, service.netns)
    return "running" if current and held and _is_held(held, given, links) else spec.OUTDATED


def _is_held(held: Lease, given: Mapping[str, Any], links: World) -> bool:
    """Whether all that the lease gave is there."""
    netns, interface = given.get("netns"), given.get("interface")
    if interface not in links.links(netns):
        return False
    there = holdings.read(netns, [interface])[interface]
    routes = {_network(route.dst) for route in there.routes}
    return held.address in {a.address for a in there.addresses} and all(
        _network(route.split()[0]) in routes for route in held.routes
    )


def _network(dst: str) -> str:
    return {"default": "0.0.0.0/0"}.get(dst, dst if "/" in dst else f"{dst}/32")


def _clean(name: str, netns: str | None) -> None:
    """What a killed client left; one that ended by itself has done it."""
    script = Path(spec.script_file(name))
    record = Path(spec.record_file(name))
    if record.exists() and script.exists() and (netns is None or netns in namespace.names()):
        with namespace.entered(netns):
            attempt([str(script), "deconfig"])
    for path in (record, record.with_name(f"{record.name}.new"), Path(spec.ready_file(name))):
        files.remove(path)


def _digest(script: str) -> str:
    return hashlib.sha256(script.encode()).hexdigest()[:16]


def _program(links: World) -> list[str]:
    program = lease.program()
    if program is None:
        links.missing.append("there is no DHCP client on this host; install the package 'busybox'")
    return program or _DEFAULT
