# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A network with DHCP, DNS and router advertisements, made by hand in a sandbox host."""

from __future__ import annotations

from collections.abc import Sequence

from tests.sandbox import Sandbox

ADDRESS = "192.0.2.1"
ADDRESS6 = "2001:db8::1"
LEASES = "/run/lab.leases"
MTU = 1400


def make_lab(host: Sandbox, taps: int, dnsmasq: Sequence[str] = ()) -> None:
    """A bridge ``lab`` with ``tap1`` to ``tap<taps>``, and dnsmasq on it; `dnsmasq` is more of its command line."""
    commands = ["link add lab type bridge stp_state 0 forward_delay 0"]
    commands += [f"address add {ADDRESS}/24 dev lab", f"address add {ADDRESS6}/64 dev lab nodad", "link set lab up"]
    for number in range(1, taps + 1):
        commands += [f"tuntap add tap{number} mode tap", f"link set tap{number} master lab up"]
    host.run(["ip", "-batch", "-"], input="\n".join(commands))
    # The bridge would take the address that its own dnsmasq advertises.
    host.run(["sh", "-c", "echo 0 > /proc/sys/net/ipv6/conf/lab/accept_ra"])
    host.run(
        ["dnsmasq", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root", "--pid-file=/run/lab.pid"]
        + ["--interface=lab", "--except-interface=lo", "--bind-interfaces", "--no-ping", "--dhcp-authoritative"]
        + [f"--dhcp-range={ADDRESS[:-1]}100,{ADDRESS[:-1]}199", f"--dhcp-leasefile={LEASES}", "--domain=lab.test"]
        + [f"--dhcp-range={ADDRESS6[:-1]},ra-only", "--enable-ra", f"--host-record=www.lab.test,{ADDRESS}"]
        + [f"--dhcp-option=option:mtu,{MTU}", *dnsmasq]
    )


def leases(host: Sandbox) -> dict[str, tuple[str, str]]:
    """MAC address -> leased address and the name the guest gave (dnsmasq writes ``*`` for none)."""
    lines = [line.split() for line in host.path(LEASES).read_text().splitlines()]
    return {fields[1]: (fields[2], fields[3]) for fields in lines if len(fields) == 5 and ":" in fields[1]}
