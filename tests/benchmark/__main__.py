# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The benchmark from the command line: ``python -m tests.benchmark``; see docs/benchmark.md."""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.integration.support.packages import cache
from tests.sandbox import Machine, SandboxError

from . import bulk, fleet, memory
from .forwards import COUNTS, Forwards
from .guest import Guest
from .measure import Failed
from .plot import plot
from .report import Figures, text, write

DOCS = Path(__file__).parents[2] / "docs"
#: Networks with DHCP: a process each, which no contender can save.
WITH_DHCP = (1, 10, 100)
LINES = ("ours", "module time", "raw", "loops", "empty play")

Part = Iterator[dict[str, Any]]


def main() -> None:
    arguments = _arguments()
    figures: list[dict[str, Any]] = []
    broken: list[str] = []
    results = Path(os.environ["VIRTNET_CACHE"], "benchmark.json")
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="virtnet-bench-") as folder:
        for name in arguments.only:
            try:
                for figure in PARTS[name](arguments, Path(folder) / name):
                    figures.append(figure)
                    _say(figure)
            except (Failed, SandboxError) as exc:
                # The others are measured all the same, and the tables say what is not.
                broken.append(name)
                print(f"error: {name}: {exc}", flush=True)
            results.write_text(json.dumps(figures))
    about = _about(arguments, time.monotonic() - began)
    if arguments.write:
        _write(Figures(figures), about)
    else:
        print(text(Figures(figures), about))
    if broken:
        raise SystemExit(f"error: not measured to the end: {', '.join(broken)}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 10, 100, 1000], help="how many networks")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="these parts")
    parser.add_argument("--no-write", dest="write", action="store_false", help="print, and leave docs/ as it is")
    return parser.parse_args()


# -- parts ---------------------------------------------------------------------------------------


def _bulk(arguments: argparse.Namespace, folder: Path, sizes: list[int], dhcp: bool) -> Part:
    contests = {count: bulk.Networks(folder / f"{count}{dhcp}", count, dhcp) for count in sizes}
    for contest in contests.values():
        yield from contest.notes()
    for _round in range(arguments.rounds):
        yield bulk.imports()
        for contest in contests.values():
            yield from contest.figures()


def _networks(arguments: argparse.Namespace, folder: Path) -> Part:
    yield from _bulk(arguments, folder, arguments.sizes, dhcp=False)


def _dhcp(arguments: argparse.Namespace, folder: Path) -> Part:
    sizes = [count for count in arguments.sizes if count in WITH_DHCP]
    yield from _bulk(argparse.Namespace(rounds=1), folder, sizes, dhcp=True)


def _forwards(arguments: argparse.Namespace, folder: Path) -> Part:
    forwards = Forwards(folder)
    for _round in range(arguments.rounds):
        for count in COUNTS:
            yield from forwards.figures(count)


def _guest(arguments: argparse.Namespace, folder: Path) -> Part:
    guest = Guest(folder, cache() / "tests/packages")
    for _round in range(arguments.rounds):
        yield from guest.figures()


def _fleet(_arguments: argparse.Namespace, folder: Path) -> Part:
    yield from fleet.figures(folder)


def _memory(_arguments: argparse.Namespace, folder: Path) -> Part:
    yield from memory.figures(folder)


PARTS: dict[str, Callable[[argparse.Namespace, Path], Part]] = {
    "networks": _networks,
    "dhcp": _dhcp,
    "memory": _memory,
    "forwards": _forwards,
    "guest": _guest,
    "fleet": _fleet,
}


# -- what is told --------------------------------------------------------------------------------


def _say(figure: dict[str, Any]) -> None:
    cost = figure["cost"]
    what = " ".join(str(figure[key]) for key in ("count", "phase", "who") if key in figure)
    dhcp = " dhcp" if figure.get("dhcp") else ""
    print(
        f"{time.strftime('%H:%M:%S')} {what + dhcp:36} {cost['wall']:8.2f} s, cpu {cost['cpu']:8.2f} s, "
        f"{cost['peak']:6.0f} MB",
        flush=True,
    )


def _about(arguments: argparse.Namespace, took: float) -> str:
    kernel, cores = platform.release(), os.cpu_count()
    tools = ", ".join(
        Machine().run(argv).stdout.strip().splitlines()[0] for argv in (["ip", "-V"], ["nft", "--version"])
    )
    return (
        f"{time.strftime('%Y-%m-%d', time.gmtime())}: {arguments.rounds} rounds in {took / 60:.0f} minutes on {cores} "
        f"cores, Linux {kernel}, Python {platform.python_version()}, {tools}. Medians; in brackets processor time, "
        "with that of all children that were waited for."
    )


def _write(figures: Figures, about: str) -> None:
    write(DOCS / "benchmark.md", text(figures, about))
    lines = {who: _line(figures, who) for who in LINES}
    drawn = {who: line for who, line in lines.items() if len(line) > 1}
    if drawn:
        names = {"ours": "our play", "module time": "less an empty play", "raw": "ip -batch + nft -f"}
        (DOCS / "benchmark.svg").write_text(
            plot("NAT networks made from nothing", {names.get(who, who): line for who, line in drawn.items()})
        )


def _line(figures: Figures, who: str) -> list[tuple[float, float]]:
    costs = [(count, figures.get(count, "converge", who)) for count in figures.counts()]
    return [(count, cost.wall) for count, cost in costs if cost]


if __name__ == "__main__":
    main()
