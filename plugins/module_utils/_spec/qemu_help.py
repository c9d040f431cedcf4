# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What QEMU prints when it is asked for ``help``: its machines, CPU models and NIC models. Pure."""

from __future__ import annotations

import re


def machines(text: str) -> tuple[str, ...]:
    """The output of ``-machine help``: a heading, then a name and a description on each line."""
    return tuple(line.split()[0] for line in text.splitlines()[1:] if line.strip())


def cpus(text: str) -> tuple[str, ...]:
    """The output of ``-cpu help``: older versions write the architecture before each name."""
    section = _section(text, "Available CPUs:")
    names = (re.sub(r"^x86\s+", "", line.strip()).split()[0] for line in section)
    return tuple(dict.fromkeys([*names, "host", "max"]))


def nics(text: str) -> tuple[str, ...]:
    """The output of ``-device help``, of which one section is about network devices; with their aliases."""
    section = "\n".join(_section(text, "Network devices:"))
    pci = re.findall(r'^name "([^"]+)", bus PCI(?:, alias "([^"]+)")?', section, re.MULTILINE)
    return tuple(name for names in pci for name in names if name)


def _section(text: str, heading: str) -> list[str]:
    """The lines between a heading and the next empty line."""
    _before, _heading, rest = text.partition(heading)
    return [line for line in rest.split("\n\n")[0].splitlines() if line.strip()]
