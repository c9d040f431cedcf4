# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who reaches whom in the quick start, measured and compared with what the NAT model promises."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.sandbox import LanHost, Sandbox

GATEWAY = "192.168.4.1"
HOST_ON_LAN = "192.0.2.10"
FORWARD = f"http://{HOST_ON_LAN}:8080/"
WEB = "http://www.lan.test"
#: Seconds that one attempt may take.
PATIENCE = "3"

#: Runs a command in a guest and returns its exit status and output.
InGuest = Callable[[str, Sequence[str]], tuple[int, str]]


@dataclass(frozen=True)
class Path:
    """One attempt: from where to where, how, what came of it, and what was promised."""

    source: str
    target: str
    how: str
    reached: bool
    promised: bool

    @property
    def kept(self) -> bool:
        return self.reached == self.promised


def ping(address: str) -> list[str]:
    return ["ping", "-c", "1", "-W", PATIENCE, address]


def guest_fetch(url: str) -> list[str]:
    return ["busybox", "wget", "-q", "-T", PATIENCE, "-O", "-", url]


def host_fetch(url: str) -> list[str]:
    return ["curl", "--silent", "--show-error", "--fail", "--max-time", PATIENCE, url]


def measure(host: Sandbox, lan: LanHost, in_guest: InGuest) -> list[Path]:
    """Try every path of the NAT model. The LAN gets a route to the guests, so that only the firewall can refuse it."""
    addresses = {name: address_of(name, in_guest) for name in ("web1", "web2")}
    lan.run(["ip", "route", "replace", "192.168.4.0/24", "via", HOST_ON_LAN])

    def guest_pings(source: str, target: str, address: str) -> Path:
        return Path(source, target, f"ping {address}", in_guest(source, ping(address))[0] == 0, True)

    def guest_fetches(source: str, target: str, url: str, page: str = "") -> Path:
        status, body = in_guest(source, guest_fetch(url))
        return Path(source, target, url, status == 0 and page in body, True)

    def runs(source: Sandbox, name: str, target: str, argv: list[str], promised: bool, page: str = "") -> Path:
        done = source.run(argv, check=False)
        reached = done.returncode == 0 and page in done.stdout
        return Path(name, target, argv[-1] if "http" in argv[-1] else f"ping {argv[-1]}", reached, promised)

    return [
        guest_pings("web1", "web2", addresses["web2"]),
        guest_pings("web2", "web1", addresses["web1"]),
        guest_pings("web1", "host", GATEWAY),
        guest_pings("web2", "host", GATEWAY),
        guest_fetches("web1", "LAN", f"{WEB}/from-web1"),
        guest_fetches("web2", "LAN", f"{WEB}/from-web2"),
        guest_fetches("web2", "forward", FORWARD, "web1"),
        runs(host, "host", "web1", ping(addresses["web1"]), True),
        runs(host, "host", "web2", ping(addresses["web2"]), True),
        runs(host, "host", "LAN", host_fetch("http://192.0.2.1/from-host"), True),
        runs(host, "host", "forward", host_fetch(FORWARD), True, "web1"),
        runs(lan, "LAN", "web1", host_fetch(f"http://{addresses['web1']}/"), False),
        runs(lan, "LAN", "web2", ping(addresses["web2"]), False),
        runs(lan, "LAN", "forward", host_fetch(FORWARD), True, "web1"),
        Path("web1", "LAN", f"seen by the LAN as {HOST_ON_LAN}", seen(lan, "/from-web1") == {HOST_ON_LAN}, True),
        Path("web2", "LAN", f"seen by the LAN as {HOST_ON_LAN}", seen(lan, "/from-web2") == {HOST_ON_LAN}, True),
    ]


def address_of(guest: str, in_guest: InGuest) -> str:
    """The IPv4 address that the guest got by DHCP."""
    _status, text = in_guest(guest, ["ip", "-4", "-o", "addr", "show", "dev", "eth0"])
    found = re.search(r"inet ([0-9.]+)/", text)
    if not found:
        raise RuntimeError(f"guest {guest} has no IPv4 address on eth0:\n{text}")
    return found[1]


def seen(lan: LanHost, path: str) -> set[str]:
    """The client addresses in the web server's log for that path."""
    return {request["client"] for request in lan.requests() if request["path"] == path}


def table(paths: list[Path]) -> str:
    rows = [("from", "to", "how", "reached", "promised")]
    for path in paths:
        broken = "" if path.kept else "   <- BROKEN PROMISE"
        rows.append((path.source, path.target, path.how, _yes(path.reached), _yes(path.promised) + broken))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        "  ".join(cell.ljust(w) for cell, w in zip(row, [*widths, 0], strict=True)).rstrip() for row in rows
    )


def _yes(value: bool) -> str:
    return "yes" if value else "no"
