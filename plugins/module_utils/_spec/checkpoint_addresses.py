# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Brings back the addresses of interfaces as a checkpoint saved them. Pure."""

from __future__ import annotations

from typing import Any

from .base import Step
from .checkpoint import ip
from .checkpoint_match import Link, State, by_name

_FOREVER = 4294967295
_FLAGS = ("home", "mngtmpaddr", "noprefixroute", "autojoin")


def addressed(saved: State, seen: State) -> list[Step]:
    now = by_name(seen["links"])
    return [
        step
        for link in saved["links"]
        if link["ifname"] in now
        for family in ("inet", "inet6")
        for step in _steps(link["ifname"], _infos(link, family), _infos(now[link["ifname"]], family))
    ]


def _infos(link: Link, family: str) -> list[Any]:
    """The newest last. The kernel makes and ends temporary addresses by itself."""
    found = [info for info in link.get("addr_info", ()) if info.get("family") == family and not info.get("temporary")]
    # It lists IPv6 addresses the other way round.
    return found if family == "inet" else found[::-1]


def _steps(name: str, wanted: list[Any], there: list[Any]) -> list[Step]:
    """The order counts: the first IPv4 address of a subnet is the host's own, and the others hang on it."""
    old, new = ([_words(name, info) for info in infos if info["scope"] != "link"] for infos in (wanted, there))
    if wanted and wanted[0]["family"] == "inet" and old != new:
        same = next((i for i, pair in enumerate(zip(old, new)) if pair[0] != pair[1]), min(len(old), len(new)))
        dropped = there[same:][::-1]
        put = wanted[same:]
    else:
        old, new = ([_words(name, info) for info in infos] for infos in (wanted, there))
        dropped = [info for info, words in zip(there, new) if words not in old]
        put = [info for info, words in zip(wanted, old) if words not in new]
    gone = [ip("address", "delete", *_key(name, info)) for info in dropped]
    return gone + [step for info in put for step in _put(name, info)]


def _key(name: str, info: Any) -> list[str]:
    if "address" in info:
        return [info["local"], "peer", f"{info['address']}/{info['prefixlen']}", "dev", name]
    return [f"{info['local']}/{info['prefixlen']}", "dev", name]


def _words(name: str, info: Any) -> list[str]:
    words = _key(name, info)
    for key, word in (("broadcast", "broadcast"), ("label", "label"), ("metric", "metric"), ("protocol", "proto")):
        if key in info:
            words += [word, str(info[key])]
    if info["family"] == "inet":
        words += ["scope", info["scope"]]
    return words + [flag for flag in _FLAGS if info.get(flag)]


def _put(name: str, info: Any) -> list[Step]:
    words = _words(name, info)
    for key, word in (("valid_life_time", "valid_lft"), ("preferred_life_time", "preferred_lft")):
        if info.get(key, _FOREVER) != _FOREVER:
            words += [word, str(info[key])]
    if info["family"] == "inet":
        return [ip("address", "replace", *words)]
    # Its duplicates were looked for before; to look again would silence the host for a second.
    put = [ip("address", "replace", *words, "nodad")]
    return put if info.get("nodad") else [*put, ip("address", "change", *words)]
