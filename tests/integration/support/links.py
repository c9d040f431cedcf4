# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Network interfaces of a sandbox host, made and looked at with iproute2 alone."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from typing import Any

from tests.sandbox import Sandbox

# What comes and goes with a carrier, some time after what made it so.
CARRIER = ("LOWER_UP", "NO-CARRIER")
#: Seconds.
PATIENCE = 30.0
BY_ITSELF = ("fe80:", "ff00:")


def ip(host: Sandbox, *words: str) -> None:
    host.run(["ip", *words])


def await_duplicates(host: Sandbox, *inside: str) -> None:
    """Wait until no IPv6 address is looked for on the network any more; ``inside`` is ``-n`` and a namespace."""
    end = time.monotonic() + PATIENCE
    # In a namespace that does not exist there is none.
    while said := host.run(["ip", *inside, "-6", "address", "show", "tentative"], check=False).stdout:
        assert time.monotonic() < end, said
        # `ip monitor` does not say when it has begun to listen.
        time.sleep(0.1)


def links(host: Sandbox, netns: str | None = None) -> dict[str, dict[str, Any]]:
    """All that `ip -d -j address` says, by interface name."""
    inside = ["-n", netns] if netns else []
    return {link["ifname"]: link for link in json.loads(host.run(["ip", *inside, "-d", "-j", "address"]).stdout)}


def link(host: Sandbox, name: str, netns: str | None = None) -> dict[str, Any]:
    return links(host, netns)[name]


def addresses(link: dict[str, Any]) -> list[str]:
    """Those that are not link-local, sorted."""
    found = [info for info in link["addr_info"] if info["scope"] != "link"]
    return sorted(f"{info['local']}/{info['prefixlen']}" for info in found)


def routes(host: Sandbox, netns: str | None = None) -> list[str]:
    """The routes of the main table that the kernel did not make, as `ip` writes them, sorted."""
    inside = ["-n", netns] if netns else []
    lines = [line for family in "46" for line in host.run(["ip", *inside, f"-{family}", "route"]).stdout.splitlines()]
    return sorted(line.strip() for line in lines if " proto kernel " not in line)


def network(host: Sandbox) -> dict[str, Any]:
    """The network's part of a snapshot, one entry a fact, so that two of them differ in few lines.

    Without carriers, and the link-local addresses and routes that follow them.
    """
    snapshot = host.snapshot()
    links = {"host": snapshot["links"], **snapshot["namespaces"]}
    facts = {subject: snapshot[subject] for subject in ("rules", "nftables")}
    facts.update({f"sysctl {line}": True for line in snapshot["sysctls"]})
    facts.update({f"{netns} {link['ifname']}": _facts(link) for netns, found in links.items() for link in found})
    routes = [{**route, "flags": None} for route in snapshot["routes"] if not route["dst"].startswith(BY_ITSELF)]
    facts.update({f"route {json.dumps(route)}": True for route in routes})
    return {f"{name}{key}": value for name, fact in facts.items() for key, value in _flat(fact)}


def _facts(link: dict[str, Any]) -> dict[str, Any]:
    info = link.get("linkinfo", {})
    # A port forwards or is disabled by its carrier.
    slave = {"info_slave_data": {**info["info_slave_data"], "state": None}} if "info_slave_data" in info else {}
    return {
        **link,
        "linkinfo": {**info, **slave},
        "operstate": None,
        # A bridge takes it over from its ports, and keeps it.
        "tso_max_size": None,
        "flags": [flag for flag in link["flags"] if flag not in CARRIER],
        "addr_info": [info for info in link["addr_info"] if info["scope"] != "link"],
    }


def _flat(fact: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(fact, dict):
        yield from ((f" {key}{rest}", value) for key, inner in fact.items() for rest, value in _flat(inner))
    else:
        yield "", fact


def replay(host: Sandbox, commands: Sequence[str]) -> None:
    """Type the commands of a result into a plain shell."""
    host.run(["sh", "-e", "-x"], input="\n".join(commands))
