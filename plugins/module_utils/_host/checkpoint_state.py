# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads what a checkpoint saves: live state, and files."""

from __future__ import annotations

import base64
import fnmatch
import json
import os
import stat
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

from .._spec import checkpoint_files
from .._spec.checkpoint_packets import tables_of_iptables, tables_of_nft
from . import namespace
from .command import Done, attempt, which
from .errors import HostError

_SYSCTLS = "/proc/sys/net"
_FAMILIES = ("4", "6")
#: Seconds. A host that restores itself cannot wait for a program that hangs.
_PATIENCE = 15


def live(names: Iterable[str] | None = None) -> dict[str, Any]:
    """The network of this host as plain data: all of it, or what goes by these names.

    Raises HostError, or whatever else comes of what the host's programs say.
    """
    return {
        "boot": Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
        # Of the one who reads: interfaces are fetched into its namespace.
        "pid": os.getpid(),
        **{name: _READERS[name]() for name in (_READERS if names is None else names)},
    }


def _ask(argv: list[str]) -> Done:
    return attempt(argv, timeout=_PATIENCE)


def _told(argv: list[str]) -> str:
    done = _ask(argv)
    if done.code:
        raise HostError(f"'{' '.join(argv)}' failed: {done.errors}")
    return done.output


def _json(*words: str) -> list[Any]:
    return [entry for entry in json.loads(_told(["ip", "-j", *words]) or "[]") if entry]


def _lines(*words: str) -> list[str]:
    # Where IPv6 is off there are no such routes, and ip fails.
    return [line for line in _ask(["ip", *words]).output.splitlines() if line.strip()]


def _routes() -> dict[str, list[str]]:
    return {family: _lines(f"-{family}", "-N", "-d", "-o", "route", "show", "table", "all") for family in _FAMILIES}


def _rules() -> dict[str, list[str]]:
    return {family: _lines(f"-{family}", "-d", "rule", "show") for family in _FAMILIES}


def _namespaces() -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for name in namespace.names():
        done = _ask(["ip", "-n", name, "-d", "-j", "link", "show"])
        # One that cannot be entered is the name of nothing.
        if done.code == 0:
            found[name] = [entry for entry in json.loads(done.output or "[]") if entry]
    return found


def _sysctls() -> dict[str, str]:
    found = {}
    for folder, _folders, names in os.walk(_SYSCTLS):
        for name in names:
            path = os.path.join(folder, name)
            try:
                # Some can only be written, others only be read, whoever asks.
                if os.stat(path).st_mode & 0o600 == 0o600:
                    found[path] = Path(path).read_text().rstrip("\n")
            except (OSError, UnicodeDecodeError):
                continue
    return found


def _nftables() -> dict[str, dict[str, str]] | None:
    """``None`` on a host that has none."""
    if which("nft") is None:
        return None
    full, plain = (_ask(["nft", *option, "list", "ruleset"]) for option in ([], ["--stateless"]))
    if full.code or plain.code:
        return None
    stateless = tables_of_nft(plain.output)
    return {
        key: {"text": text, "stateless": stateless.get(key, "")} for key, text in tables_of_nft(full.output).items()
    }


def _legacy() -> list[str]:
    """The tools that use the kernel's older tables, where there are such tables."""
    found = []
    for tool in ("iptables", "ip6tables"):
        names = Path("/proc/net", f"{tool.replace('tables', '_tables')}_names")
        if not names.is_file() or not names.read_text().strip():
            continue
        name = tool if which(tool) and _is_legacy(tool) else f"{tool}-legacy"
        found += [name] if which(f"{name}-save") else []
    return found


@cache
def _is_legacy(tool: str) -> bool:
    return "legacy" in _ask([tool, "--version"]).output


def _iptables() -> dict[str, dict[str, str]]:
    """By tool. A tool of the older kind is not asked where it has no tables: it would make them."""
    legacy = _legacy()
    tools = list(legacy)
    for tool in ("iptables", "ip6tables"):
        if tool not in legacy and which(f"{tool}-save") and not _is_legacy(tool):
            tools.append(tool)
    return {tool: tables_of_iptables(_ask([f"{tool}-save"]).output) for tool in tools}


_READERS: dict[str, Callable[[], Any]] = {
    "links": lambda: _json("-d", "address", "show"),
    "namespaces": _namespaces,
    "namespace_ids": lambda: {entry["name"]: entry["id"] for entry in _json("netns", "list") if "id" in entry},
    "routes": _routes,
    "rules": _rules,
    "sysctls": _sysctls,
    "nftables": _nftables,
    "iptables": _iptables,
    "legacy": _legacy,
}


def files() -> dict[str, Any]:
    """Each file, link and folder by its path."""
    found: dict[str, Any] = {}
    for folder, pattern in checkpoint_files.TREES:
        if pattern == "*" and os.path.isdir(folder):
            found[folder] = _entry(folder)
        for path in sorted(_below(folder, deep="." not in pattern)):
            name = os.path.basename(path)
            if fnmatch.fnmatch(name, pattern) and not name.startswith(checkpoint_files.OWN):
                found[path] = _entry(path)
    return {path: entry for path, entry in found.items() if entry is not None}


def _below(folder: str, deep: bool) -> list[str]:
    found = []
    for top, folders, names in os.walk(folder):
        found += [os.path.join(top, name) for name in [*folders, *names]]
        if not deep:
            break
    return found


def _entry(path: str) -> dict[str, Any] | None:
    """``None`` for what is none of the three."""
    try:
        status = os.lstat(path)
        entry = {"mode": stat.S_IMODE(status.st_mode), "uid": status.st_uid, "gid": status.st_gid}
        if stat.S_ISLNK(status.st_mode):
            return {"link": os.readlink(path), "uid": status.st_uid, "gid": status.st_gid}
        if stat.S_ISREG(status.st_mode):
            entry["text"] = base64.b64encode(Path(path).read_bytes()).decode()
        return entry if "text" in entry or stat.S_ISDIR(status.st_mode) else None
    except OSError as exc:
        raise HostError(f"{path} cannot be saved: {exc.strerror}") from exc


def active_units() -> list[str]:
    """Those of ours that systemd runs."""
    done = _ask(["systemctl", "list-units", "--plain", "--no-legend", "--state=active", "virtnet-*.service"])
    names = [line.split()[0] for line in done.output.splitlines() if line.split()]
    return [name for name in names if not name.startswith(checkpoint_files.OWN)]
