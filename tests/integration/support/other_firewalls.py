# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules as other programs leave them on a host, which drop what they do not know."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.sandbox import Sandbox

TOOLS = ("iptables", "ip6tables")

#: Docker 20 to 26.
DOCKER = """*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:DOCKER - [0:0]
:DOCKER-ISOLATION-STAGE-1 - [0:0]
:DOCKER-ISOLATION-STAGE-2 - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-ISOLATION-STAGE-1
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
-A FORWARD -i docker0 -o docker0 -j ACCEPT
-A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2
-A DOCKER-ISOLATION-STAGE-1 -j RETURN
-A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP
-A DOCKER-ISOLATION-STAGE-2 -j RETURN
-A DOCKER-USER -j RETURN
COMMIT
"""

_UFW_HOOK = """:ufw-after-{hook} - [0:0]
:ufw-after-logging-{hook} - [0:0]
:ufw-before-{hook} - [0:0]
:ufw-before-logging-{hook} - [0:0]
:ufw-reject-{hook} - [0:0]
:ufw-track-{hook} - [0:0]
:ufw-user-{hook} - [0:0]
-A {HOOK} -j ufw-before-logging-{hook}
-A {HOOK} -j ufw-before-{hook}
-A {HOOK} -j ufw-after-{hook}
-A {HOOK} -j ufw-after-logging-{hook}
-A {HOOK} -j ufw-reject-{hook}
-A {HOOK} -j ufw-track-{hook}
"""
#: ufw enabled with its defaults, less its logging.
UFW = (
    "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n"
    + "".join(_UFW_HOOK.format(hook=hook, HOOK=hook.upper()) for hook in ("input", "forward", "output"))
    + """:ufw-not-local - [0:0]
:ufw-skip-to-policy-input - [0:0]
-A ufw-after-input -p udp -m udp --dport 137 -j ufw-skip-to-policy-input
-A ufw-before-forward -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A ufw-before-forward -j ufw-user-forward
-A ufw-before-input -i lo -j ACCEPT
-A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A ufw-before-input -m conntrack --ctstate INVALID -j DROP
ICMP-A ufw-before-input -j ufw-not-local
-A ufw-before-input -j ufw-user-input
-A ufw-before-output -o lo -j ACCEPT
-A ufw-before-output -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A ufw-before-output -j ufw-user-output
-A ufw-not-local -m addrtype --dst-type LOCAL -j RETURN
-A ufw-not-local -m addrtype --dst-type MULTICAST -j RETURN
-A ufw-not-local -m addrtype --dst-type BROADCAST -j RETURN
-A ufw-not-local -j DROP
-A ufw-skip-to-policy-input -j DROP
-A ufw-track-output -p tcp -m conntrack --ctstate NEW -j ACCEPT
-A ufw-track-output -p udp -m conntrack --ctstate NEW -j ACCEPT
COMMIT
"""
)
_ICMP = {
    "iptables": "-A ufw-before-input -p icmp -m icmp --icmp-type 8 -j ACCEPT\n",
    "ip6tables": "-A ufw-before-input -p ipv6-icmp -j ACCEPT\n",
}

#: What the service of the package iptables-services begins with, and many a script.
REJECTING = """*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
ICMP-A INPUT -i lo -j ACCEPT
-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
-A INPUT -j REJECT
-A FORWARD -m comment --comment "nothing is forwarded" -j REJECT
COMMIT
"""
_ICMP_HERE = {tool: text.replace("ufw-before-input", "INPUT") for tool, text in _ICMP.items()}
#: Name -> the listing for iptables-restore, by the tool that loads it.
FIREWALLS = {
    "docker": dict.fromkeys(TOOLS, DOCKER),
    "legacy": {f"{tool}-legacy": DOCKER for tool in TOOLS},
    "ufw": {
        "iptables": UFW.replace("ICMP", _ICMP["iptables"]),
        # There is no broadcast in IPv6.
        "ip6tables": "".join(
            line
            for line in UFW.replace("ICMP", _ICMP["ip6tables"]).splitlines(keepends=True)
            if "not-local" not in line
        ),
    },
    "rejecting": {tool: REJECTING.replace("ICMP", _ICMP_HERE[tool]) for tool in TOOLS},
}

#: A table of nftables' own, as people write them.
NFT_FIREWALL = """
table inet mine {
    chain input {
        type filter hook input priority filter; policy drop
        iif lo accept
        ct state established,related accept
        meta l4proto { icmp, ipv6-icmp } accept
    }
    chain forward {
        type filter hook forward priority filter; policy drop
        ct state established,related accept
    }
}
"""


def load(host: Sandbox, firewall: str) -> None:
    """Put the rules in place as the program does at its start: all anew."""
    for tool, listing in FIREWALLS[firewall].items():
        host.run([f"{tool}-restore"], input=listing)


@contextmanager
def loaded(host: Sandbox, firewall: str) -> Iterator[None]:
    """Afterwards, all rules of the tools are gone."""
    load(host, firewall)
    try:
        yield
    finally:
        for tool in FIREWALLS[firewall]:
            host.run([f"{tool}-restore"], input="*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\nCOMMIT\n")


def legacy_rules(host: Sandbox) -> list[str]:
    """The rules of the legacy tools, without counters."""
    said = [host.run([f"{tool}-legacy-save", "-t", "filter"]).stdout for tool in TOOLS]
    return [line.partition(" [")[0] for text in said for line in text.splitlines() if not line.startswith("#")]
