# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a host looks like, as plain data that two moments can be compared by.

What changes by itself is left out: counters, ages, timers, handles and the
indexes and pids that the kernel hands out. Run by itself, it prints what the host it runs on looks like.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .host import Machine

VOLATILE_LINK = frozenset(
    [
        *("ifindex", "link_index", "link_netnsid", "preferred_life_time", "valid_life_time", "tentative", "expires"),
        # A bridge's timers and what they set.
        *("hello_timer", "tcn_timer", "topology_change_timer", "gc_timer", "message_age_timer"),
        *("forward_delay_timer", "hold_timer", "topology_change", "topology_change_detected"),
    ]
)
VOLATILE_RULES = frozenset(["handle", "packets", "bytes", "expires", "metainfo"])
SYSCTLS = r"^net\.(ipv4\.(ip_forward|conf|neigh)|ipv6\.(conf|bindv6only)|bridge)"
FOLDERS = (
    "/etc/virtnet",
    "/run/virtnet",
    "/var/lib/virtnet",
    "/etc/sysctl.d",
    "/etc/modules-load.d",
    "/etc/qemu",
)


def prune(data: Any, names: frozenset[str]) -> Any:
    """A copy without the members of these names, at any depth."""
    if isinstance(data, dict):
        return {key: prune(value, names) for key, value in data.items() if key not in names}
    if isinstance(data, list):
        return [prune(value, names) for value in data]
    return data


def _sorted(data: list[Any]) -> list[Any]:
    return sorted(data, key=lambda item: json.dumps(item, sort_keys=True))


def _json(host: Machine, *argv: str) -> list[Any]:
    return json.loads(host.run(argv).stdout or "[]")


def _links(host: Machine, *prefix: str) -> list[Any]:
    found = prune(_json(host, *prefix, "ip", "-d", "-j", "addr"), VOLATILE_LINK)
    for link in found:
        if "UP" not in link["flags"]:
            # What it has depends on whether it was ever up.
            link.pop("qdisc", None)
    return _sorted(found)


def _routes(host: Machine, family: str) -> list[Any]:
    return _sorted(prune(_json(host, "ip", family, "-j", "route", "show", "table", "all"), VOLATILE_LINK))


def _namespaces(host: Machine) -> dict[str, Any]:
    names = sorted(entry["name"] for entry in _json(host, "ip", "-j", "netns", "list"))
    return {name: _links(host, "ip", "netns", "exec", name) for name in names}


def _nftables(host: Machine) -> list[Any]:
    ruleset = json.loads(host.run(["nft", "-j", "list", "ruleset"]).stdout)["nftables"]
    return [prune(entry, VOLATILE_RULES) for entry in ruleset if "metainfo" not in entry]


def _iptables(host: Machine, command: str) -> list[str]:
    lines = host.run([command]).stdout.splitlines()
    # A chain's line ends in its counters.
    return [line.partition(" [")[0] if line.startswith(":") else line for line in lines if not line.startswith("#")]


def _sysctls(host: Machine) -> list[str]:
    # One unreadable key makes sysctl fail although all the others were printed.
    return sorted(host.run(["sysctl", "--all", "--pattern", SYSCTLS], check=False).stdout.splitlines())


def _processes(host: Machine) -> list[list[str]]:
    found = []
    # Read from outside: nothing that looks is then part of the picture.
    for entry in host.path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            raw = (entry / "cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if raw:
            found.append([os.fsdecode(part) for part in raw.rstrip(b"\0").split(b"\0")])
    return sorted(found)


def _describe(path: Path) -> list[Any]:
    """Kind with mode, owner, group, and the content's digest or a link's target."""
    status = path.lstat()
    if stat.S_ISLNK(status.st_mode):
        content = os.readlink(path)
    elif stat.S_ISREG(status.st_mode):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
    else:
        content = ""
    return [stat.filemode(status.st_mode), status.st_uid, status.st_gid, content]


def _files(host: Machine) -> dict[str, list[Any]]:
    root = host.path("/")
    found = {}
    for folder in FOLDERS:
        top = host.path(folder)
        if not top.exists():
            continue
        for path in [top, *top.rglob("*")]:
            found[f"/{path.relative_to(root)}"] = _describe(path)
    return dict(sorted(found.items()))


def take_snapshot(host: Machine) -> dict[str, Any]:
    """One member for each subject; members of two snapshots are equal or something changed."""
    return {
        "links": _links(host),
        "routes": _routes(host, "-4") + _routes(host, "-6"),
        "rules": _json(host, "ip", "-4", "-j", "rule") + _json(host, "ip", "-6", "-j", "rule"),
        "namespaces": _namespaces(host),
        "nftables": _nftables(host),
        "iptables": _iptables(host, "iptables-save") + _iptables(host, "ip6tables-save"),
        "sysctls": _sysctls(host),
        "processes": _processes(host),
        "users": host.path("/etc/passwd").read_text().splitlines() + host.path("/etc/group").read_text().splitlines(),
        "files": _files(host),
    }


class _Here:
    """The host that this file was sent to."""

    def path(self, inside: str) -> Path:
        return Path(inside)

    def run(self, argv: list[str], check: bool = True) -> subprocess.CompletedProcess[str]:
        return subprocess.run(argv, capture_output=True, text=True, check=check)


if __name__ == "__main__":
    print(json.dumps(take_snapshot(_Here()), sort_keys=True))
