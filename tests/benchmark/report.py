# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table and the ratios in docs/benchmark.md, out of the figures of one run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .contenders import PHASES
from .measure import Cost, median

BEGIN, END = "<!-- written by make bench: begin -->", "<!-- end -->"
TITLES = {"converge": "made", "nothing": "nothing to do", "added": "one more", "teardown": "removed"}
WHO = {
    "ours": "our play",
    "module time": "our play less an empty one",
    "our modules": "our modules alone (once)",
    "raw": "the same by `ip -batch` and `nft -f`",
    "by hand": "the least by hand: no firewall, no marks",
    "loops": "loops of `command: ip …`",
    "libvirt": "libvirt (`virsh`)",
    "empty play": "an empty play of as many tasks",
}


@dataclass(frozen=True)
class Target:
    """``found`` by the clock and by processor time; what is to be reached is meant by the clock, on a quiet machine."""

    text: str
    limit: str
    found: tuple[float, float] | None
    unit: str = "×"

    def row(self) -> str:
        if self.found is None:
            return f"| {self.text} | {self.limit} | *not measured* | |"
        clock, processor = (f"{value:.3g} {self.unit}" for value in self.found)
        return f"| {self.text} | {self.limit} | {clock} | {processor if self.found[1] else ''} |"


class Figures:
    """Medians over the rounds."""

    def __init__(self, figures: Iterable[Mapping[str, Any]]) -> None:
        found: dict[tuple[Any, ...], list[Cost]] = {}
        for one in figures:
            key = one.get("count"), one.get("dhcp", False), one["phase"], one["who"]
            found.setdefault(key, []).append(Cost(**one["cost"]))
        self._medians = {key: median(costs) for key, costs in found.items()}
        for (count, dhcp, phase, who), cost in list(self._medians.items()):
            if who == "ours" and (empty := self.get(count, phase, "empty play", dhcp)):
                self._medians[count, dhcp, phase, "module time"] = cost.less(empty)

    def get(self, count: int | None, phase: str, who: str, dhcp: bool = False) -> Cost | None:
        return self._medians.get((count, dhcp, phase, who))

    def counts(self, dhcp: bool = False, phase: str = "converge") -> list[int]:
        return sorted({key[0] for key in self._medians if key[1] == dhcp and key[2] == phase and key[3] == "ours"})

    def who(self, phase: str, dhcp: bool = False) -> list[str]:
        there = {key[3] for key in self._medians if key[1:3] == (dhcp, phase)}
        return [*(who for who in WHO if who in there), *sorted(there.difference(WHO))]


def ratio(over: Cost | None, under: Cost | None, factor: float = 1) -> tuple[float, float] | None:
    if over is None or under is None:
        return None
    return over.wall / (under.wall * factor), over.cpu / max(under.cpu * factor, 0.001)


def targets(figures: Figures) -> Iterator[Target]:
    """What issue 7 of the project's plan asks for."""
    if figures.counts():
        yield from _bulk(figures, figures.counts())
    yield from _against_others(figures)
    yield from _forwards(figures)
    guests = [figures.get(None, "guest", who) for who in ("ours", "empty play", "bare QEMU")]
    over = guests[0].less(guests[1]).wall - guests[2].wall if all(guests) else None
    found = None if over is None else (over, 0.0)
    yield Target("start of a guest to its first ping, over bare QEMU", "at most 1 s", found, "s")


def _bulk(figures: Figures, counts: list[int]) -> Iterator[Target]:
    most, less = counts[-1], counts[-2] if len(counts) > 1 else None
    made = figures.get(most, "converge", "module time")
    yield Target(
        f"{most} networks made: module time, of `ip -batch` + `nft -f`",
        "at most 4 ×",
        ratio(made, figures.get(most, "converge", "raw")),
    )
    raw, imports = figures.get(most, "nothing", "raw"), figures.get(None, "imports", "imports")
    dump = raw and imports and Cost(raw.wall + imports.wall, raw.cpu + imports.cpu)
    yield Target(
        f"{most} networks, nothing to do: module time, of one dump by the raw tools + imports",
        "at most 2 ×",
        ratio(figures.get(most, "nothing", "module time"), dump),
    )
    if less:
        yield Target(
            f"module time for {most} networks, of that for {less}",
            f"at most {1.1 * most / less:.0f} ×",
            ratio(made, figures.get(less, "converge", "module time")),
        )
    peaks = [cost.peak for phase in PHASES if (cost := figures.get(most, phase, "our modules"))]
    peak = max(peaks, default=0.0)
    yield Target(f"peak memory of a module for {most} networks", "under 200 MB", (peak, 0), "MB")


def _against_others(figures: Figures) -> Iterator[Target]:
    loops, ours = figures.get(10, "converge", "loops"), figures.get(100, "converge", "ours")
    # A loop's time grows with its items and with nothing else; 100 networks of it would take minutes.
    yield Target(
        "100 networks made: loops of `command` (ten times what 10 take), of our whole play",
        "at least 50 ×",
        ratio(loops, ours, 0.1),
    )
    counts = [count for count in figures.counts(True) if figures.get(count, "converge", "libvirt", True)]
    count = counts[-1] if counts else 100
    yield Target(
        f"{count} networks with DHCP made: our whole play, of libvirt",
        "less than 1 ×",
        ratio(figures.get(count, "converge", "ours", True), figures.get(count, "converge", "libvirt", True)),
    )


def _forwards(figures: Figures) -> Iterator[Target]:
    for who, limit in (("our maps", "at most 1.2 ×"), ("iptables rules", "")):
        counts = sorted(c for c in (1, 100, 10000) if figures.get(c, "connections", who))
        if len(counts) > 1:
            few, many = (figures.get(c, "connections", who) for c in (counts[0], counts[-1]))
            yield Target(
                f"a connection through {counts[-1]} forwards, of one through {counts[0]}: {who}",
                limit,
                ratio(many, few),
            )
        else:
            yield Target(f"a connection through 10000 forwards, of one through 1: {who}", limit, None)


# -- text ----------------------------------------------------------------------------------------


def text(figures: Figures, about: str) -> str:
    parts = [about, _targets(figures)]
    if figures.counts():
        parts += [_table(figures, phase, False) for phase in PHASES]
    if figures.counts(True):
        parts += [_table(figures, phase, True) for phase in PHASES]
    parts += [_more(figures), _kept_busy(figures)]
    return "\n\n".join(part for part in parts if part)


def _targets(figures: Figures) -> str:
    lines = ["| what | to be reached | by the clock | by processor time |", "| --- | --- | --- | --- |"]
    return "\n".join([*lines, *(target.row() for target in targets(figures))])


def _table(figures: Figures, phase: str, dhcp: bool) -> str:
    counts = figures.counts(dhcp, phase)
    lines = [f"| networks{' with DHCP' if dhcp else ''}: {TITLES[phase]} | {' | '.join(map(str, counts))} |"]
    lines.append("| --- |" + " --- |" * len(counts))
    for who in figures.who(phase, dhcp):
        cells = [_cell(figures.get(count, phase, who, dhcp)) for count in counts]
        lines.append(f"| {WHO.get(who, who)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(cost: Cost | None) -> str:
    return "" if cost is None else f"{cost.wall:.2f} s ({cost.cpu:.2f})"


def _more(figures: Figures) -> str:
    lines = ["| more | time | processor |", "| --- | --- | --- |"]
    for title, phase in (
        ("connections through forwards", "connections"),
        ("a guest, to its first ping", "guest"),
        ("hosts of a fleet, each with a network", "fleet"),
    ):
        for who in figures.who(phase):
            for count in sorted({key[0] or 0 for key in figures._medians if key[2:] == (phase, who)}):
                cost = figures.get(count or None, phase, who)
                lines.append(
                    f"| {title}: {who}{f', {count}' if count else ''} | {cost.wall:.2f} s | {cost.cpu:.2f} s |"
                )
    return "\n".join(lines) if len(lines) > 2 else ""


def _kept_busy(figures: Figures) -> str:
    """Of these figures ``wall`` is processes, and ``peak`` memory, for a network."""
    costs = [(key, cost) for key, cost in figures._medians.items() if key[2] == "memory"]
    if not costs:
        return ""
    lines = ["| one network, once it is made | processes | memory of its processes |", "| --- | --- | --- |"]
    lines += [f"| {who} | {cost.wall:g} | {cost.peak:.2f} MB |" for (_c, _d, _p, who), cost in costs]
    return "\n".join(lines)


def write(path: Path, written: str) -> None:
    """Put the text between its marks in a page."""
    before, _begin, rest = path.read_text().partition(BEGIN)
    _old, _end, after = rest.partition(END)
    path.write_text(f"{before}{BEGIN}\n\n{written}\n\n{END}{after}")
