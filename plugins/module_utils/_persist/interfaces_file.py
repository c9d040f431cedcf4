# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The format of interfaces(5): stanzas, and how one is taken out of a file and put back. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

_KEYWORDS = re.compile(r"(?:iface|mapping|auto|allow-\S+|rename|no-auto-down|no-scripts|source|source-directory)$")
#: Those that are followed by lines of their own.
_LONG = ("iface", "mapping")
#: interfaces(5), source-directory: which files of a folder count.
COUNTS = re.compile(r"[A-Za-z0-9_-]+$")


@dataclass(frozen=True)
class Stanza:
    """``lines`` are those of the file that make it up, by number, without comments. Options keep their order."""

    path: str
    keyword: str
    words: tuple[str, ...]
    options: tuple[tuple[str, str], ...]
    lines: tuple[int, ...]

    @property
    def name(self) -> str:
        return self.words[0] if self.words else ""


def parse(path: str, text: str) -> list[Stanza]:
    """The stanzas of a file, in order. What ifupdown itself would not read is left out."""
    found: list[Stanza] = []
    for numbers, line in _lines(text):
        first, *rest = line.split()
        if _KEYWORDS.match(first):
            found.append(Stanza(path, first, tuple(rest), (), numbers))
        elif found and found[-1].keyword in _LONG:
            last = found[-1]
            option = (first, line[len(first) :].strip())
            found[-1] = Stanza(path, last.keyword, last.words, (*last.options, option), last.lines + numbers)
    return found


def stanzas(tree: Mapping[str, str]) -> list[Stanza]:
    return [stanza for path, text in tree.items() for stanza in parse(path, text)]


def _lines(text: str) -> Iterator[tuple[tuple[int, ...], str]]:
    """What ifupdown takes for a line, with the numbers of the lines that it goes over."""
    numbers: list[int] = []
    joined = ""
    for number, line in enumerate(text.split("\n")):
        if not numbers and (not line.strip() or line.lstrip()[0] == "#"):
            continue
        numbers.append(number)
        if line.endswith("\\"):
            joined += line[:-1]
            continue
        if (joined + line).strip():
            yield tuple(numbers), (joined + line).strip()
        numbers, joined = [], ""
    if numbers and joined.strip():
        yield tuple(numbers), joined.strip()


def taken_out(text: str, gone: Iterable[Stanza], mark: str) -> str:
    """The text with these stanzas of it made comments, each line of which begins with the mark."""
    numbers = {number for stanza in gone for number in stanza.lines}
    lines = text.split("\n")
    return "\n".join(mark + line if number in numbers else line for number, line in enumerate(lines))


def put_back(text: str, mark: str) -> str:
    """The text as it was before `taken_out`."""
    return "\n".join(line[len(mark) :] if line.startswith(mark) else line for line in text.split("\n"))
