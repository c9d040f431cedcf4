# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Renders the files of an instance of dnsmasq(8). Pure."""

from __future__ import annotations

from .._spec import dnsmasq as spec
from .._spec.address import ip_version
from .._spec.dhcp import Option, Range, Reservation
from .._spec.dnsmasq import Dnsmasq

_HEAD = "# Written by virtnet.qemu; changes here are lost.\n"


def files(want: Dnsmasq, user: str) -> tuple[tuple[str, str], ...]:
    """Pairs of path and text."""
    found = {spec.config_file(want.name): config(want, user)}
    for reservation in want.reservations:
        path = f"{spec.hosts_directory(want.name)}/{reservation.mac.replace(':', '-')}"
        found[path] = found.get(path, "") + _reservation(reservation)
    if names := _names(want):
        found[f"{spec.names_directory(want.name)}/hosts"] = names
    return tuple(sorted(found.items()))


def config(want: Dnsmasq, user: str) -> str:
    """The text of the configuration file."""
    lines = [
        f"interface={want.interface}",
        "except-interface=lo",
        "bind-dynamic",
        f"user={user}",
        f"pid-file={spec.pid_file(want.name)}",
        # To standard error, which the supervisor keeps.
        "log-facility=-",
        *_dns(want),
        *_dhcp(want),
        *_boot(want),
    ]
    return _HEAD + "".join(f"{line}\n" for line in lines)


def _dns(want: Dnsmasq) -> list[str]:
    lines = []
    if want.domain:
        lines += [f"domain={want.domain}", "expand-hosts"]
    if not want.dns:
        return [*lines, "port=0"]
    # Names of the network itself are nobody else's business.
    lines += ["no-hosts", f"hostsdir={spec.names_directory(want.name)}", "domain-needed"]
    if want.domain:
        lines.append(f"local=/{want.domain}/")
    if want.upstream is not None:
        lines += ["no-resolv", *(f"server={server}" for server in want.upstream)]
    return lines


def _dhcp(want: Dnsmasq) -> list[str]:
    if not want.ranges and not want.reservations:
        return []
    lines = [
        f"dhcp-leasefile={spec.leases(want.name)}",
        f"dhcp-hostsdir={spec.hosts_directory(want.name)}",
        "dhcp-authoritative",
        # A guest would wait for the answer that does not come.
        "no-ping",
        f"dhcp-lease-max={_lease_max(want)}",
    ]
    lines += [_range(want, r) for r in want.ranges]
    lines += [f"dhcp-range={_with_mask(net, 'static')}" for net in _reserved_only(want)]
    if any(r.version == 6 for r in want.ranges):
        lines += ["enable-ra", *_router_advertisement(want)]
    return lines + [_option(option) for option in _options(want)]


def _boot(want: Dnsmasq) -> list[str]:
    """For guests that boot from the network; without a server's name it is this one."""
    lines = [f"dhcp-boot={want.boot_file}"] if want.boot_file else []
    # By one port, so that a firewall knows what belongs together.
    tftp = ["enable-tftp", "tftp-single-port", f"tftp-root={want.tftp_root}"]
    return lines + (tftp if want.tftp_root else [])


def _lease_max(want: Dnsmasq) -> int:
    """Its own limit of 1000 is less than a big subnet has. The number of reservations must not change it."""
    import netaddr

    return max([1000, *(netaddr.IPNetwork(a).size for a in want.addresses if ip_version(a) == 4)])


def _range(want: Dnsmasq, one: Range) -> str:
    if one.version == 4:
        return f"dhcp-range={_with_mask(one.subnet, one.end, one.start)}{_lease(one)}"
    words = [one.start, one.end, None if one.subnet else f"constructor:{want.interface}"]
    words += [None if one.mode == "dhcp" else one.mode, one.subnet and one.subnet.partition("/")[2]]
    return f"dhcp-range={','.join(word for word in words if word)}{_lease(one)}"


def _lease(one: Range) -> str:
    return f",{one.lease_time}" if one.lease_time else ""


def _with_mask(subnet: str, word: str, start: str | None = None) -> str:
    import netaddr

    net = netaddr.IPNetwork(subnet)
    return f"{start or net.network},{word},{net.netmask}"


def _reserved_only(want: Dnsmasq) -> list[str]:
    """The IPv4 subnets that have reservations and no range."""
    ranged = {r.subnet for r in want.ranges}
    return [net for net in want.subnets if net not in ranged]


def _router_advertisement(want: Dnsmasq) -> list[str]:
    lifetime = ",0,0" if want.router == spec.NONE else ",0"
    if want.mtu is None and want.router != spec.NONE:
        return []
    return [f"ra-param={want.interface}{f',mtu:{want.mtu}' if want.mtu else ''}{lifetime}"]


def _options(want: Dnsmasq) -> list[Option]:
    found = []
    if want.router:
        found.append(Option("router", () if want.router == spec.NONE else (want.router,), 4))
    if want.dns_servers is not None:
        for version in (4, 6):
            found.append(Option("dns-server", tuple(s for s in want.dns_servers if ip_version(s) == version), version))
    if want.mtu:
        found.append(Option("mtu", (str(want.mtu),), 4))
    if want.routes:
        pairs = [word for route in want.routes for word in (route.destination, route.gateway)]
        found.append(Option("classless-static-route", tuple(pairs), 4))
    return found + list(want.dhcp_options)


def _option(one: Option) -> str:
    name = one.option if one.option.isdigit() else f"option:{one.option}"
    if one.version == 6:
        name = f"option6:{one.option}"
    return f"dhcp-option={','.join([name, *(_value(one.version, v) for v in one.value)])}"


def _value(version: int, value: str) -> str:
    if version == 6 and ":" in value:
        return f"[{value}]"
    return f'"{value}"' if any(character in value for character in ", #") else value


def _reservation(one: Reservation) -> str:
    where = one.address and (f"[{one.address}]" if ip_version(one.address) == 6 else one.address)
    return ",".join(word for word in (one.mac, where, one.hostname) if word) + "\n"


def _names(want: Dnsmasq) -> str:
    """Guests with a reservation can be found before they have asked for their lease."""
    pairs = {(r.address, r.hostname) for r in want.reservations if r.address and r.hostname}
    pairs |= {(r.address, r.name) for r in want.records}
    return "".join(f"{where}\t{name}\n" for where, name in sorted(pairs))
