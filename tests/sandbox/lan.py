# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The local network a hypervisor host is plugged into, played by a sandbox host."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from .host import Sandbox, link

SERVER = Path(__file__).with_name("webserver.py")
ROUTER = Path(__file__).with_name("router.py")
WEB_LOG = "/run/web.log"
NAME_LOG = "/run/dnsmasq.log"


class LanHost(Sandbox):
    """A LAN with a web server and a name server, on documentation addresses (RFC 5737, RFC 3849).

    The web server answers every GET with the address it was asked from, and notes
    it before it answers. The name server knows :attr:`WEB_NAME`.
    """

    ADDRESS = "192.0.2.1"
    ADDRESS6 = "2001:db8:1::1"
    WEB_NAME = "www.lan.test"
    #: What DHCP gives out.
    FIRST, LAST = "192.0.2.100", "192.0.2.199"

    def configure(self) -> None:
        # An address that is looked for first cannot be sent from.
        self.run(["sysctl", "-w", "net.ipv6.conf.default.accept_dad=0"])
        commands = (
            "link add lan type bridge stp_state 0 forward_delay 0",
            f"address add {self.ADDRESS}/24 dev lan",
            f"address add {self.ADDRESS6}/64 dev lan nodad",
            "link set lan up",
        )
        self.run(["ip", "-batch", "-"], input="\n".join(commands))
        # Both return only when they listen.
        self.run([sys.executable, str(SERVER), WEB_LOG])
        self.run(
            ["dnsmasq", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--local=/lan.test/", "--user=root"]
            + ["--bind-interfaces", f"--listen-address={self.ADDRESS}", f"--listen-address={self.ADDRESS6}"]
            + [f"--host-record={self.WEB_NAME},{self.ADDRESS},{self.ADDRESS6}"]
            + ["--pid-file=/run/dnsmasq.pid", "--log-queries", f"--log-facility={NAME_LOG}"]
        )

    def connect(self, host: Sandbox, number: int = 10, name: str = "uplink0") -> None:
        """Plug a host in: addresses 192.0.2.NUMBER and 2001:db8:1::NUMBER, default routes, name server.

        :param number: 2 to 254, written in decimal in the IPv6 address too
        :param name: the host's interface
        """
        port = f"port{number}"
        link(host, name, self, port)
        self.run(["ip", "link", "set", port, "master", "lan"])
        commands = (
            f"address add 192.0.2.{number}/24 dev {name}",
            f"address add 2001:db8:1::{number}/64 dev {name} nodad",
            f"route add default via {self.ADDRESS}",
            f"-6 route add default via {self.ADDRESS6}",
        )
        for command in commands:
            host.run(["ip", *command.split()])
        host.path("/etc/resolv.conf").write_text(f"nameserver {self.ADDRESS}\n")

    def serve_guests(self) -> None:
        """Be the LAN's DHCP server, and its router, for guests that are plugged into it."""
        for name in ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"):
            self.run(["sysctl", "-w", f"{name}=1"])
        self.run(
            ["dnsmasq", "--conf-file=/dev/null", "--port=0", "--user=root", "--interface=lan", "--bind-interfaces"]
            + ["--no-ping", "--dhcp-authoritative", "--dhcp-leasefile=/run/leases", "--pid-file=/run/dnsmasq-dhcp.pid"]
            + [f"--dhcp-range={self.FIRST},{self.LAST}", f"--dhcp-option=option:dns-server,{self.ADDRESS}"]
        )

    def advertise(self) -> None:
        """Be an IPv6 router that tells once of itself and of its prefix."""
        self.run([sys.executable, str(ROUTER), "lan", "2001:db8:1::"])

    def requests(self) -> list[dict[str, str]]:
        """All web requests so far: ``client`` (the address seen) and ``path``."""
        return [json.loads(line) for line in self.path(WEB_LOG).read_text().splitlines()]

    def clients(self) -> list[str]:
        """The addresses the web server was asked from, in order."""
        return [request["client"] for request in self.requests()]
