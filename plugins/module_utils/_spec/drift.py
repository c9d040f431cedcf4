# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What somebody changed by hand since a run of ours, and the next run repairs: in words for its user. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

_TITLES = {"tun": "tap", "netns": "namespace", "sysctl": "kernel parameter", "kernel_module": "kernel module"}
#: Of which nothing is told: other fields say it, or it is nobody's business.
_SILENT = ("alias", "argv", "definition", "down", "made", "on_bridge", "on_nic", "password", "plugged", "settings")
#: The ends of a veth.
_PARTS = ("near", "peer")
_PLURALS = {"addresses": "address", "ports": "port", "routes": "route", "taps": "tap", "files": "file"}
_SAID = {
    "service": "its service was removed, changed or disabled",
    "script": "its script was changed",
    "status": "was not loaded",
}
_PROCESSES = {"stopped": "did not run", "outdated": "did not serve its interface any more"}


def repairs(before: Any, recorded: Any, after: Any) -> list[str]:
    """What leads from `before`, which is there, back to `recorded`, which an earlier run had left, as far as `after`
    is to be like that: the rest is what the user wants otherwise by now."""
    if recorded is None or after is None:
        return []
    if before is None or getattr(before, "orphan", False):
        return [f"{_title(after)}: was gone"]
    return [f"{_title(after)}: {text}" for text in _differences(before, recorded, after)]


def warning(repaired: list[str], check_mode: bool) -> str:
    done = "would be repaired" if check_mode else "was repaired"
    return f"changed by hand since an earlier run, which {done}: {'; '.join(repaired)}"


def _title(resource: Any) -> str:
    kind = _TITLES.get(resource.kind, resource.kind)
    name = resource.nic if kind == "uplink" else resource.name
    netns = getattr(resource, "netns", None)
    return f"{kind} {name}" + (f" in namespace {netns}" if netns else "")


def _differences(before: Any, recorded: Any, after: Any) -> Iterator[str]:
    for name in (f.name for f in fields(after) if f.compare and f.name not in _SILENT):
        have, was, now = (getattr(side, name) for side in (before, recorded, after))
        if have == was or was is None:
            continue
        if name in _PARTS:
            yield from (f"{was.ifname} {text}" for text in _differences(have, was, now))
        elif isinstance(was, tuple):
            yield from _of_items(_PLURALS.get(name, ""), *(_by_name(side) for side in (have, was, now)))
        elif now == was:
            yield _of_value(name, have, was)


def _of_items(word: str, have: dict[Any, Any], was: dict[Any, Any], now: dict[Any, Any]) -> Iterator[str]:
    for name, item in was.items():
        if name not in now or have.get(name) == item:
            continue
        said = f"{word} {name}".strip()
        if name not in have:
            yield f"{said} was {'off' if word == 'port' else 'gone'}"
        elif is_dataclass(item):
            yield from (f"{said} {text}" for text in _differences(have[name], item, now[name]))
        elif now[name] == item:
            yield f"{said} was changed" if word else f"{said} was {have[name]}"
    yield from (f"{word} {name} was added" for name in have if word and name not in was and name not in now)


def _by_name(items: tuple[Any, ...] | None) -> dict[Any, Any]:
    """Taps by their names, files and kernel parameters by theirs; what is but a word, by itself."""
    found = {}
    for item in items or ():
        if isinstance(item, tuple):
            found[item[0]] = item[1]
        elif hasattr(item, "dst"):
            text = f"{item.dst} via {item.gateway}" if item.gateway else item.dst
            found[text] = text
        else:
            found[getattr(item, "name", item)] = item
    return found


def _of_value(name: str, have: Any, was: Any) -> str:
    if name == "up":
        return "was down" if was else "was up"
    if name == "bridge":
        return f"was on bridge {have}" if have else f"was off bridge {was}"
    if name == "port":
        return "was no port of its bridge"
    if name == "process":
        return _PROCESSES.get(have, f"was {have}")
    if name == "value":
        return f"was {have}"
    return _SAID.get(name) or f"{name} was {str(have).lower() if isinstance(have, bool) else have}"
