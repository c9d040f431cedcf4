# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A plot of times over numbers of networks, both axes logarithmic, as SVG: it needs no library."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 720, 420
LEFT, RIGHT, TOP, BOTTOM = 64, 230, 40, 48
COLOURS = ("#0b6e99", "#d9730d", "#0f7b6c", "#ad1a72", "#6940a5", "#787774")


def plot(title: str, series: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """`series`: what each line is called, and its points."""
    points = [point for line in series.values() for point in line]
    xs, ys = _Axis(p[0] for p in points), _Axis(p[1] for p in points)

    def place(point: tuple[float, float]) -> str:
        x = LEFT + xs.share(point[0]) * (WIDTH - LEFT - RIGHT)
        y = HEIGHT - BOTTOM - ys.share(point[1]) * (HEIGHT - TOP - BOTTOM)
        return f"{x:.1f},{y:.1f}"

    parts = [f'<text x="{LEFT}" y="22" font-size="15">{escape(title)}</text>']
    for value in xs.ticks():
        x = place((value, ys.low)).partition(",")[0]
        parts.append(f'<line x1="{x}" x2="{x}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="#ddd"/>')
        parts.append(f'<text x="{x}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{value:g}</text>')
    for value in ys.ticks():
        y = place((xs.low, value)).partition(",")[2]
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{float(y) + 4:.1f}" text-anchor="end">{value:g} s</text>')
    parts.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">networks</text>')
    for number, (name, line) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(map(place, line))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>' for x, y in (place(p).split(",") for p in line)]
        y = TOP + 14 + 20 * number
        parts.append(f'<rect x="{WIDTH - RIGHT + 16}" y="{y - 9}" width="10" height="10" fill="{colour}"/>')
        parts.append(f'<text x="{WIDTH - RIGHT + 32}" y="{y}">{escape(name)}</text>')
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"'
        ' font-family="sans-serif" font-size="12">\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>\n{body}\n</svg>\n'
    )


class _Axis:
    """From the power of ten below all values to the one above."""

    def __init__(self, values) -> None:
        found = list(values)
        self._first = math.floor(math.log10(min(found)))
        self._last = max(math.ceil(math.log10(max(found))), self._first + 1)
        self.low = 10.0**self._first

    def share(self, value: float) -> float:
        return (math.log10(value) - self._first) / (self._last - self._first)

    def ticks(self) -> list[float]:
        return [10.0**power for power in range(self._first, self._last + 1)]
