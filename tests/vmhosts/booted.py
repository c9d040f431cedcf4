# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is to be the same of a host before and after a reboot: links, addresses, routes, rules, leases, what runs.

It is sent to the host, and run there.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

LEASES = "/var/lib/virtnet/dnsmasq"
LINK = ("ifname", "address", "mtu", "master", "ifalias")
#: What the kernel makes by itself of what it draws by lot, or learns.
BY_ITSELF = ("expires", "flags", "metrics")


def said(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def data(*words: str) -> list[dict[str, Any]]:
    return json.loads(said("ip", "-j", *words) or "[]")


def link(entry: dict[str, Any]) -> dict[str, Any]:
    kind = entry.get("linkinfo", {}).get("info_kind")
    found = {name: entry.get(name) for name in LINK}
    addresses = [f"{a['local']}/{a['prefixlen']}" for a in entry["addr_info"] if a["scope"] != "link"]
    if kind == "tun":
        # That of a tap is the kernel's choice; guests have their own.
        del found["address"]
    return {**found, "kind": kind, "up": "UP" in entry["flags"], "addresses": sorted(addresses)}


def route(entry: dict[str, Any]) -> str:
    return json.dumps({key: value for key, value in entry.items() if key not in BY_ITSELF}, sort_keys=True)


def routes(family: str) -> list[str]:
    found = data(family, "route", "show", "table", "all")
    return sorted(route(entry) for entry in found if not entry["dst"].startswith(("fe80:", "ff00:", "multicast")))


def leases() -> list[str]:
    """Without the time of their end, which each renewal puts off."""
    lines = [line for path in sorted(Path(LEASES).rglob("*lease*")) if path.is_file() for line in path.open()]
    return sorted(line.partition(" ")[2].strip() for line in lines if not line.startswith("duid "))


def units() -> list[str]:
    words = ("--plain", "--no-legend", "--all", "virtnet-*.service", "virtnet-*.timer")
    lines = said("systemctl", "list-units", *words).splitlines()
    return sorted(" ".join(line.split()[:4]) for line in lines)


def state() -> dict[str, Any]:
    return {
        "links": sorted((link(entry) for entry in data("-d", "address")), key=lambda entry: entry["ifname"]),
        "routes": routes("-4") + routes("-6"),
        "rules": data("-4", "rule") + data("-6", "rule"),
        "leases": leases(),
        "units": units(),
        "failed": said("systemctl", "list-units", "--plain", "--no-legend", "--state=failed").splitlines(),
    }


if __name__ == "__main__":
    print(json.dumps({"boot": Path("/proc/sys/kernel/random/boot_id").read_text().strip(), "state": state()}))
