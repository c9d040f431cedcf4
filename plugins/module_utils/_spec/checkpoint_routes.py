# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Brings back routes and policy rules as a checkpoint saved them. Pure.

Both are lines as ip(8) prints them, which with few exceptions it takes again.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from .base import Step
from .checkpoint import ip
from .checkpoint_match import State

#: <linux/rtnetlink.h>; ip takes them by name only.
_TYPES = {
    "1": "unicast",
    "2": "local",
    "3": "broadcast",
    "4": "anycast",
    "5": "multicast",
    "6": "blackhole",
    "7": "unreachable",
    "8": "prohibit",
    "9": "throw",
    "10": "nat",
}
_OF_ADDRESSES = ("local", "broadcast", "anycast", "multicast")
_REDIRECT, _KERNEL, _RA = "1", "2", "9"
#: What ip tells, but nobody gave.
_TOLD = ("linkdown", "dead", "pervasive", "offload", "rt_offload", "trap", "rt_trap", "unresolved", "cache", "notify")
_TOLD_VALUES = ("error", "users", "age", "used")


@dataclass(frozen=True)
class _Route:
    words: tuple[str, ...]
    expires: str | None = None

    def value(self, key: str) -> str | None:
        return self.words[self.words.index(key) + 1] if key in self.words[:-1] else None

    @property
    def comes_by_itself(self) -> bool:
        """The kernel makes and removes it along with an address or an interface."""
        proto = self.value("proto")
        of_link = self.words[1].startswith("fe80::") and self.words[1].endswith("/64")
        return proto == _REDIRECT or (proto == _KERNEL and (self.words[0] in _OF_ADDRESSES or of_link))

    def stand_in(self) -> _Route:
        """What takes the place of a route that the kernel learned, until it hears of it again.

        In its own place it would keep the kernel from learning it.
        """
        metric = self.value("metric")
        if self.value("proto") != _RA or metric is None:
            return self
        at = self.words.index("metric") + 1
        return _Route((*self.words[:at], str(int(metric) + 1), *self.words[at + 1 :]), self.expires)


def routed(saved: State, seen: State) -> list[Step]:
    return [step for family in ("4", "6") for step in _steps(family, saved, seen)]


def _steps(family: str, saved: State, seen: State) -> list[Step]:
    wanted, there = ([_route(family, line) for line in state["routes"][family]] for state in (saved, seen))
    wanted, there = ([route for route in routes if not route.comes_by_itself] for routes in (wanted, there))
    known = {words for route in wanted for words in (route.words, route.stand_in().words)}
    present = {route.words for route in there}
    missing = [route for route in wanted if not {route.words, route.stand_in().words} & present]
    # One that leads through a gateway is taken only when there is a way to the gateway.
    missing.sort(key=lambda route: ("via" in route.words, "nhid" in route.words))
    gone = [ip(f"-{family}", "route", "delete", *route.words) for route in there if route.words not in known]
    return gone + [ip(f"-{family}", "route", "append", *_put(route.stand_in())) for route in missing]


def _put(route: _Route) -> list[str]:
    return [*route.words, *(["expires", route.expires] if route.expires else [])]


def _route(family: str, line: str) -> _Route:
    # What is on lines of its own otherwise.
    left = re.split(r"[ \t]+", line.replace("\\\t", " ").strip())
    words = [_TYPES.get(left[0], left[0]), left[1]]
    expires = None
    rest = iter(left[2:])
    for word in rest:
        if word in ("dev", "via", "src", "table"):
            words += [word, next(rest)]
        elif word == "expires":
            expires = next(rest).rstrip("sec")
        elif word in _TOLD_VALUES or (word == "scope" and family == "6"):
            next(rest)
        elif word not in _TOLD:
            words.append(word)
    return _Route(tuple(words), expires)


def ruled(saved: State, seen: State) -> list[Step]:
    steps = []
    for family in ("4", "6"):
        wanted, there = (Counter(map(_rule, state["rules"][family])) for state in (saved, seen))
        steps += [ip(f"-{family}", "rule", "add", *words) for words in (wanted - there).elements()]
        steps += [ip(f"-{family}", "rule", "delete", *words) for words in (there - wanted).elements()]
    return steps


def _rule(line: str) -> tuple[str, ...]:
    """``100:	not from all … lookup main [detached]`` as ip takes it."""
    priority, _colon, rest = line.partition(":")
    words = [word for word in re.split(r"[ \t]+", rest.strip()) if word not in ("[detached]", "[unresolved]")]
    words = ["l3mdev" if word == "[l3mdev-table]" else word for word in words]
    if "l3mdev" in words:
        words.remove("lookup")
    negated = ["not"] if words[0] == "not" else []
    return (*negated, *words[len(negated) :], "priority", priority)
