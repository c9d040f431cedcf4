# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A sandbox host's packet rules as text, to compare, and tools of the host made to behave otherwise."""

from __future__ import annotations

import json
from collections.abc import Iterator

from tests.sandbox import Sandbox

#: The tool itself, whatever is in its place on a host.
NFT = "/usr/sbin/nft"
OF_IPTABLES = {(family, table) for family in ("ip", "ip6") for table in ("nat", "filter")}


def packet_rules(host: Sandbox) -> str:
    """All rules of the host, of whatever backend, without counters and handles.

    Rules keep their order in their chain; chains and elements are sorted, as their order means nothing. What
    iptables keeps in nftables is told by iptables-save, since an empty chain that it makes there stays for good.
    """
    ruleset = json.loads(host.run([NFT, "-j", "list", "ruleset"]).stdout)["nftables"]
    entries = [kind for entry in ruleset for kind in entry.items() if kind[0] != "metainfo"]
    places: dict[str, list[str]] = {}
    for kind, entry in entries:
        if (entry["family"], entry.get("table", entry["name"] if kind == "table" else "")) in OF_IPTABLES:
            continue
        entry.pop("handle")
        if "elem" in entry:
            entry["elem"].sort(key=json.dumps)
        place = f"{entry['family']} {entry.get('table')} {entry['chain'] if kind == 'rule' else kind + entry['name']}"
        places.setdefault(place, []).append(json.dumps(entry, sort_keys=True))
    saved = [table for tool in ("iptables", "ip6tables") for table in _tables(host.run([f"{tool}-save"]).stdout)]
    return "\n".join([*(line for place in sorted(places) for line in places[place]), *saved])


def _tables(saved: str) -> Iterator[str]:
    """Those of iptables-save that say anything: one that was used once stays, with the kernel's chains empty."""
    lines = [line.partition(" [")[0] for line in saved.splitlines() if not line.startswith("#")]
    for table in "\n".join(lines).split("COMMIT"):
        if any(not line.startswith("*") and not line.endswith(" ACCEPT") for line in table.strip().splitlines()):
            yield table


def wrap(host: Sandbox, tool: str, script: str) -> None:
    """Put a shell script in a tool's place, on this host alone; in it ``$real`` is the tool."""
    real = host.run(["sh", "-c", f"command -v {tool}"]).stdout.strip()
    path = host.path(f"/usr/local/sbin/{tool}")
    path.write_text(f"#!/bin/sh\nreal={real}\n{script}\n")
    path.chmod(0o755)


#: Somebody else's rules, with what ours use too: NAT, sets, names like ours.
FOREIGN_NFT = """
table inet virtnet {
    set lab {
        type ipv4_addr
        elements = { 192.0.2.7 comment "lab/out#1" }
    }
    chain post-lab {
        type nat hook postrouting priority srcnat
        ip saddr @lab masquerade comment "lab/out"
    }
}
table ip6 mine {
    chain c {
        type filter hook forward priority 0; policy drop
        oifname "eth7" accept
    }
}
"""
FOREIGN_IPTABLES = """*nat
:mine - [0:0]
-A PREROUTING -p tcp -m tcp --dport 81 -m comment --comment "lab/out#1" -j mine
-A mine -j ACCEPT
COMMIT
*filter
:mine - [0:0]
-A FORWARD -i eth7 -j mine
-A INPUT -p udp -m udp --dport 7 -m comment --comment virtnet -j DROP
COMMIT
"""


def load_foreign_rules(host: Sandbox) -> None:
    host.run(["nft", "-f", "-"], input=FOREIGN_NFT)
    for tool in ("iptables", "ip6tables"):
        host.run([f"{tool}-restore"], input=FOREIGN_IPTABLES)
