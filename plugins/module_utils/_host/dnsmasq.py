# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Instances of dnsmasq(8): their files, and their processes under a supervisor."""

from __future__ import annotations

import hashlib
import os
import pwd
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from .._persist import dnsmasq as persist
from .._spec import dnsmasq as spec
from .._spec.base import Step
from .._spec.bridge import Bridge
from .._spec.dnsmasq import Dnsmasq as Want, Instance
from .._spec.service import ServedWorld, Service, ServiceState
from .._spec.world import World
from . import files, process, sockets, supervisor
from .command import attempt, run, which
from .errors import HostError
from .netlink import Netlink

_CONFIG = Path(spec.CONFIG)
_STATE = Path("/var/lib", spec.RUNTIME)
_DEFAULT = "/usr/sbin/dnsmasq"
_SERVICE = "dnsmasq-"
_OLDEST = (2, 80)
#: In this order, each for all instances at once.
_PHASES = ("remove", "write", "unlink", "install", "stop", "restart", "start", "reload")


class Dnsmasq:
    """The host adapter of the module."""

    def __init__(self) -> None:
        self._netlink = Netlink()
        self._supervisor: supervisor.Supervisor | None = None

    def close(self) -> None:
        self._netlink.close()

    # -- observation -----------------------------------------------------------------------------

    def observe(self, wants: list[Want], everything: bool = False) -> ServedWorld:
        choice = wants[0].supervisor if wants else "auto"
        self._supervisor = supervisor.find(choice, (_SERVICE + want.name for want in wants))
        kept = {want.name: want for want in wants if want.state != "absent"}
        interfaces = [Bridge(want.interface, want.netns, addresses=want.addresses) for want in kept.values()]
        links = self._netlink.observe(interfaces)
        program = _program(links) if kept else _DEFAULT
        links.missing += [
            f"tftp_root: there is no folder '{want.tftp_root}' on this host; make it first"
            for want in kept.values()
            if want.tftp_root and not os.path.isdir(want.tftp_root)
        ]
        files_of = {name: persist.files(want, _user(want, links)) for name, want in kept.items()}
        services = {name: spec.service(want, program, _digest(want, files_of[name])) for name, want in kept.items()}
        names = {want.name for want in wants} | (self._names() if everything else set())
        states = self._supervisor.states(_SERVICE + name for name in names)
        processes = self._processes(kept, services, states)
        instances = {name: self._instance(name, states[_SERVICE + name], processes.get(name)) for name in names}
        return ServedWorld(
            instances={name: instance for name, instance in instances.items() if instance},
            wanted={name: self._made(name, files_of[name], services[name]) for name in kept},
            links=links,
        )

    def _names(self) -> set[str]:
        """All instances of ours, whatever is left of them."""
        named = {path.stem for path in (*_CONFIG.glob("*.*"), *_STATE.glob("*.leases"))}
        return named | {name[len(_SERVICE) :] for name in self._supervisor.installed() if name.startswith(_SERVICE)}

    def _processes(
        self, wants: Mapping[str, Want], services: Mapping[str, Service], states: Mapping[str, ServiceState]
    ) -> dict[str, str]:
        bound: dict[str | None, dict[int, set[str]]] = {}
        found = {}
        for name, want in wants.items():
            state = states[_SERVICE + name]
            if state.pid is None:
                continue
            found[name] = spec.OUTDATED
            if state.digest == services[name].digest and process.in_netns(state.pid, want.netns):
                if want.netns not in bound:
                    bound[want.netns] = sockets.udp(want.netns)
                own = bound[want.netns].get(state.pid, set())
                if all(own & alternatives for alternatives in want.bound()):
                    found[name] = "running"
        return found

    def _instance(self, name: str, state: ServiceState, current: str | None) -> Instance | None:
        found = _files(name)
        leases = files.read(Path(spec.leases(name)))
        if not found and leases is None and state.definition is None and state.pid is None:
            return None
        return Instance(
            name=name,
            process=current or ("running" if state.pid else "stopped"),
            files=found,
            service=state.definition,
            leases=leases,
            systemd=self._supervisor.kind == "systemd",
        )

    def _made(self, name: str, found: tuple[tuple[str, str], ...], service: Service) -> Instance:
        text = self._supervisor.definition(service)
        return Instance(name, "stopped", found, text, systemd=self._supervisor.kind == "systemd")

    # -- changes ---------------------------------------------------------------------------------

    def commit(self, steps: list[Step]) -> None:
        for step in steps:
            if step.op == "write" and step.args["path"] == spec.config_file(step.args["name"]):
                _check(step.args["name"], step.args["text"])
        for phase in _PHASES:
            chosen = [step.args for step in steps if step.op == phase]
            if chosen:
                getattr(self, f"_{phase}")(chosen)

    def _remove(self, chosen: list[Mapping[str, Any]]) -> None:
        self._supervisor.remove(_services(chosen))
        for args in chosen:
            name = args["name"]
            for path in (spec.config_file(name), spec.leases(name), spec.pid_file(name)):
                files.remove(Path(path))
            for directory in (spec.hosts_directory(name), spec.names_directory(name)):
                files.remove_tree(Path(directory))
        for directory in (_CONFIG, _STATE, Path("/run", spec.RUNTIME)):
            # Not empty: other instances are there.
            with suppress(OSError):
                directory.rmdir()

    def _write(self, chosen: list[Mapping[str, Any]]) -> None:
        for args in chosen:
            files.write(Path(args["path"]), args["text"])

    def _unlink(self, chosen: list[Mapping[str, Any]]) -> None:
        for args in chosen:
            files.remove(Path(args["path"]))

    def _install(self, chosen: list[Mapping[str, Any]]) -> None:
        self._supervisor.install({_SERVICE + args["name"]: args["text"] for args in chosen})

    def _stop(self, chosen: list[Mapping[str, Any]]) -> None:
        self._supervisor.stop(_services(chosen))

    def _restart(self, chosen: list[Mapping[str, Any]]) -> None:
        _make_directories(chosen)
        self._supervisor.restart(_services(chosen))

    def _start(self, chosen: list[Mapping[str, Any]]) -> None:
        _make_directories(chosen)
        self._supervisor.start(_services(chosen))

    def _reload(self, chosen: list[Mapping[str, Any]]) -> None:
        self._supervisor.reload(_services(chosen))


def _services(chosen: list[Mapping[str, Any]]) -> list[str]:
    return [_SERVICE + args["name"] for args in chosen]


def _make_directories(chosen: list[Mapping[str, Any]]) -> None:
    """Those that dnsmasq watches must be there, empty or not."""
    for args in chosen:
        for directory in (spec.hosts_directory(args["name"]), spec.names_directory(args["name"])):
            files.make_directory(Path(directory))


def _files(name: str) -> tuple[tuple[str, str], ...]:
    paths = [Path(spec.config_file(name))]
    for directory in (spec.hosts_directory(name), spec.names_directory(name)):
        # dnsmasq passes over names with a dot, and so do we: a killed run's half-written file.
        paths += [path for path in Path(directory).glob("*") if not path.name.startswith(".")]
    texts = {str(path): files.read(path) for path in paths}
    return tuple(sorted((path, text) for path, text in texts.items() if text is not None))


def _digest(want: Want, found: tuple[tuple[str, str], ...]) -> str:
    config = dict(found)[spec.config_file(want.name)]
    return hashlib.sha256(config.encode()).hexdigest()[:16]


def _program(links: World) -> str:
    program = which("dnsmasq")
    if program is None:
        links.missing.append("dnsmasq is not on this host; install the package dnsmasq-base")
        return _DEFAULT
    version = re.search(r"version (\d+)\.(\d+)", run([program, "--version"]))
    if version and (int(version[1]), int(version[2])) < _OLDEST:
        raise HostError(
            f"dnsmasq on this host is {version[1]}.{version[2]}; {_OLDEST[0]}.{_OLDEST[1]} or newer is needed"
        )
    return program


def _user(want: Want, links: World) -> str:
    for name in [want.user] if want.user else ["dnsmasq", "nobody"]:
        with suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    links.missing.append(f"user: there is no user '{want.user or 'nobody'}' on this host; make it first")
    return want.user or "nobody"


def _check(name: str, config: str) -> None:
    """Have dnsmasq itself look at a configuration before it replaces another."""
    done = attempt(["dnsmasq", "--test", "--conf-file=-"], config)
    if done.code:
        line = re.search(r" at line (\d+) ", done.errors)
        about = f" '{config.splitlines()[int(line[1]) - 1]}'" if line else ""
        raise HostError(f"'{name}': dnsmasq refuses what is made of these options:{about} {done.errors}")
