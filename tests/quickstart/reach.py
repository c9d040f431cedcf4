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

#: Runs commands in guests, at once, and returns the exit status and output of each.
InGuests = Callable[[Sequence[tuple[str, Sequence[str]]]], list[tuple[int, str]]]


@dataclass(frozen=True)
class Path:
    """One path: from where to where, how it is tried, and what the model promises."""

    source: str
    target: str
    argv: tuple[str, ...]
    promised: bool = True
    #: What the answer has to hold.
    answer: str = ""

    def tried(self, status: int, output: str) -> Outcome:
        return Outcome(self.source, self.target, self.argv[-1], status == 0 and self.answer in output, self.promised)


@dataclass(frozen=True)
class Outcome:
    source: str
    target: str
    how: str
    reached: bool
    promised: bool

    @property
    def kept(self) -> bool:
        return self.reached == self.promised


def ping(address: str) -> tuple[str, ...]:
    return ("ping", "-c", "1", "-W", PATIENCE, address)


def guest_fetch(url: str) -> tuple[str, ...]:
    # Not wget's own time-out: with -T the busybox of Debian 12 crashes.
    return ("timeout", PATIENCE, "wget", "-q", "-O", "-", url)


def host_fetch(url: str) -> tuple[str, ...]:
    return ("curl", "--silent", "--show-error", "--fail", "--max-time", PATIENCE, url)


def measure(host: Sandbox, lan: LanHost, in_guests: InGuests) -> list[Outcome]:
    """Try every path of the NAT model. The LAN gets a route to the guests, so that only the firewall can refuse it."""
    web1, web2 = addresses(in_guests)
    lan.run(["ip", "route", "replace", "192.168.4.0/24", "via", HOST_ON_LAN])
    from_guests = [
        Path("web1", "web2", ping(web2)),
        Path("web2", "web1", ping(web1)),
        Path("web1", "host", ping(GATEWAY)),
        Path("web2", "host", ping(GATEWAY)),
        Path("web1", "LAN", guest_fetch(f"{WEB}/from-web1")),
        Path("web2", "LAN", guest_fetch(f"{WEB}/from-web2")),
        Path("web2", "forward", guest_fetch(FORWARD), answer="web1"),
    ]
    from_host = [
        Path("host", "web1", ping(web1)),
        Path("host", "web2", ping(web2)),
        Path("host", "LAN", host_fetch("http://192.0.2.1/from-host")),
        Path("host", "forward", host_fetch(FORWARD), answer="web1"),
    ]
    from_lan = [
        Path("LAN", "web1", host_fetch(f"http://{web1}/"), promised=False),
        Path("LAN", "web2", ping(web2), promised=False),
        Path("LAN", "forward", host_fetch(FORWARD), answer="web1"),
    ]
    results = in_guests([(path.source, path.argv) for path in from_guests])
    outcomes = [path.tried(*result) for path, result in zip(from_guests, results, strict=True)]
    outcomes += [
        path.tried(*run(sandbox, path.argv)) for sandbox, ps in ((host, from_host), (lan, from_lan)) for path in ps
    ]
    return outcomes + [
        Outcome(guest, "LAN", f"seen there as {HOST_ON_LAN}", seen(lan, f"/from-{guest}") == {HOST_ON_LAN}, True)
        for guest in ("web1", "web2")
    ]


def run(sandbox: Sandbox, argv: Sequence[str]) -> tuple[int, str]:
    done = sandbox.run(list(argv), check=False)
    return done.returncode, done.stdout


def addresses(in_guests: InGuests) -> list[str]:
    """The IPv4 addresses that the guests got by DHCP, once they have them."""
    ask = ["sh", "-c", "wait-online eth0 && ip -4 -o addr show dev eth0"]
    found = [re.search(r"inet ([0-9.]+)/", text) for _status, text in in_guests([("web1", ask), ("web2", ask)])]
    return [match[1] for match in found]


def seen(lan: LanHost, path: str) -> set[str]:
    """The client addresses in the web server's log for that path."""
    return {request["client"] for request in lan.requests() if request["path"] == path}


def table(outcomes: list[Outcome]) -> str:
    rows = [("from", "to", "how", "reached", "promised")]
    for outcome in outcomes:
        broken = "" if outcome.kept else "   <- BROKEN PROMISE"
        row = (outcome.source, outcome.target, outcome.how, _yes(outcome.reached), _yes(outcome.promised) + broken)
        rows.append(row)
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        "  ".join(cell.ljust(w) for cell, w in zip(row, [*widths, 0], strict=True)).rstrip() for row in rows
    )


def _yes(value: bool) -> str:
    return "yes" if value else "no"
