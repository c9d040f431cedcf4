# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is written for ifupdown, read by ifupdown itself: it does for the bridge what it did for the NIC."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import pytest

from tests.sandbox import Sandbox
from tests.unit.ifupdown_cases import BRIDGES, managed, rendered

pytestmark = pytest.mark.full

#: What is about packets of the host.
OF_THE_HOST = re.compile(
    r".*?\b(ip (?:-\d )?(?:addr|address|route) (?:add|replace)|dhclient|ip link set dev \S+ alias)\b(.*)"
)


@pytest.fixture(scope="module")
def host() -> Iterator[Sandbox]:
    with Sandbox(f"ifupdown-files-{os.getpid()}") as host:
        yield host


def typed(host: Sandbox, interface: str) -> set[str]:
    """What ifupdown would type for an interface."""
    told = host.run(["ifup", "--no-act", "--force", "--verbose", interface]).stderr
    found = [OF_THE_HOST.match(line) for line in told.replace("$IFACE", interface).splitlines()]
    return {" ".join("".join(one.groups()).split()) for one in found if one}


def write(host: Sandbox, files: dict[str, str]) -> None:
    for path, text in files.items():
        host.path(path).write_text(text)


@pytest.mark.parametrize("case", BRIDGES)
def test_ifupdown_reads_it(host: Sandbox, case: str):
    bridge = BRIDGES[case]
    for path in host.path("/etc/network/interfaces.d").iterdir():
        path.unlink()
    write(host, dict(managed(case).tree))
    before = {line.replace(bridge.uplink, "br-lan") for line in typed(host, bridge.uplink)}
    assert before
    write(host, rendered(case))
    listed = host.run(["ifquery", "--list", "-a"]).stdout.split()
    assert "br-lan" in listed
    after = typed(host, "br-lan")
    ours = {line for line in after if " alias " in line}
    own = {line for line in after - ours for address in bridge.addresses or () if address.partition("/")[0] in line}
    assert len(ours) == 1 and len(own) == len(bridge.addresses or ())
    assert typed(host, bridge.uplink) == set()
    moved = set() if bridge.uplink_addresses == "flush" else before
    # That of an alias interface is the bridge's own.
    assert {line for line in after - ours - own if "192.0.2.20/" not in line} == moved
