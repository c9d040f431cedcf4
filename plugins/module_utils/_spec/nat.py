# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A rule of address translation, as a user gives it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from . import address, packet_option
from .base import Resource, SpecError
from .packet_rule import WITH_PORTS, negation

#: Low source ports are trusted by NFS and the like, so a guest must not get one by translation.
UNPRIVILEGED_PORTS = "1024-65535"
PROTOCOLS = (*WITH_PORTS, "icmp", "icmpv6", "gre", "esp", "ah")
#: What each option may be given with; an option that is not here goes with every action.
_ONLY_WITH = {
    "in_interface": ("dnat", "netmap", "redirect"),
    "out_interface": ("masquerade", "snat", "netmap"),
    "to_address": ("snat", "dnat", "netmap"),
    "to_port": ("dnat", "redirect"),
    "ports": ("masquerade", "snat"),
    "hairpin": ("dnat",),
    "destination": ("masquerade", "snat", "dnat", "redirect"),
    "protocol": ("masquerade", "snat", "dnat", "redirect"),
    "source_port": ("masquerade", "snat", "dnat", "redirect"),
    "destination_port": ("masquerade", "snat", "dnat", "redirect"),
}
_NEEDED = {
    "snat": {"to_address": "the source address that packets get"},
    "dnat": {"to_address": "the address of the guest"},
    "netmap": {"to_address": "the network outside", "source": "the network inside"},
    "redirect": {"to_port": "a port of the host", "destination_port": "the port that is redirected"},
}
_ADDRESSES = ("source", "destination", "to_address", "hairpin")

ARGUMENT_SPEC = {
    "name": {"type": "str"},
    "network": {"type": "str", "default": "default"},
    "netns": {"type": "str"},
    "action": {"type": "str", "choices": ["masquerade", "snat", "dnat", "netmap", "redirect"]},
    "ip_version": {"type": "str", "choices": ["ipv4", "ipv6"]},
    "source": {"type": "str"},
    "destination": {"type": "str"},
    "in_interface": {"type": "str"},
    "out_interface": {"type": "str"},
    "protocol": {"type": "str", "choices": list(PROTOCOLS)},
    "source_port": {"type": "str"},
    "destination_port": {"type": "str"},
    "to_address": {"type": "str"},
    "to_port": {"type": "str"},
    "ports": {"type": "str"},
    "hairpin": {"type": "str"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}

RUN_OPTIONS = {
    "backend": {"type": "str", "choices": ["auto", "nftables", "iptables"], "default": "auto"},
    "exclusive": {"type": "bool", "default": False},
}


@dataclass(frozen=True)
class NatRule(Resource):
    """``version`` is 4 or 6. A leading '!' negates an address or interface; ports are ``N`` or ``N-M``.

    ``exclusive``: its network has no other rules than those that are listed.
    """

    name: str
    network: str
    netns: str | None = None
    action: str | None = None
    version: int = 4
    source: str | None = None
    destination: str | None = None
    in_interface: str | None = None
    out_interface: str | None = None
    protocol: str | None = None
    source_port: str | None = None
    destination_port: str | None = None
    to_address: str | None = None
    to_port: str | None = None
    ports: str | None = None
    hairpin: str | None = None
    state: str = "present"
    backend: str = "auto"
    exclusive: bool = False

    @property
    def key(self) -> tuple[str | None, str, str]:
        return self.netns, self.network, self.name


def parse(params: dict[str, Any]) -> NatRule:
    known = NatRule(
        name=packet_option.rule_name("name", params["name"]),
        network=packet_option.network_name("network", params["network"]),
        netns=address.netns_name("netns", params["netns"]),
        state=params["state"],
        backend=params["backend"],
        exclusive=params["exclusive"],
    )
    # For a removal the names are enough, and what else is given need not fit any more.
    return known if known.state == "absent" else _complete(known, params)


def _complete(known: NatRule, params: dict[str, Any]) -> NatRule:
    _check_options(params)
    rule = replace(
        known,
        action=params["action"],
        protocol=params["protocol"],
        to_address=_to_address(params["action"], params["to_address"]),
        hairpin=None if params["hairpin"] is None else address.network("hairpin", params["hairpin"]),
        **{o: packet_option.addresses(o, params[o]) for o in ("source", "destination")},
        **{o: packet_option.interface(o, params[o]) for o in ("in_interface", "out_interface")},
        **{o: packet_option.port_range(o, params[o]) for o in ("source_port", "destination_port", "to_port", "ports")},
    )
    rule = replace(rule, version=_version(rule, params["ip_version"]))
    _check_protocol(rule)
    _CHECKS[rule.action](rule)
    return rule


def _to_address(action: str, value: str | None) -> str | None:
    if value is None:
        return None
    if "/" in value and action != "netmap":
        raise SpecError(f"to_address: '{value}' is a network; '{action}' takes one address, without a prefix length")
    return packet_option.addresses("to_address", value)


def _version(rule: NatRule, asked: str | None) -> int:
    """The version of IP that the addresses have, or that was asked for; IPv4 when nothing tells."""
    given = {option: getattr(rule, option) for option in _ADDRESSES if getattr(rule, option)}
    versions = {packet_option.version_of(value) for value in given.values()}
    if len(versions) > 1:
        said = ", ".join(f"{option} '{value}'" for option, value in given.items())
        raise SpecError(f"{said}: a rule is for IPv4 or for IPv6; make two rules")
    number = None if asked is None else int(asked[-1])
    if number and versions - {number}:
        option, value = next(iter(given.items()))
        raise SpecError(f"ip_version: it is {asked}, but {option} is '{value}'; leave ip_version out")
    return versions.pop() if versions else number or 4


def _check_options(params: dict[str, Any]) -> None:
    action = params["action"]
    if action is None:
        raise SpecError("action: it is missing; give one of masquerade, snat, dnat, netmap and redirect")
    for option, actions in _ONLY_WITH.items():
        if params[option] is not None and action not in actions:
            raise SpecError(f"{option}: '{params[option]}' has no meaning with 'action: {action}'; leave it out")
    for option, what in _NEEDED.get(action, {}).items():
        if params[option] is None:
            raise SpecError(f"{option}: 'action: {action}' needs it: {what}")


def _check_protocol(rule: NatRule) -> None:
    for option in ("source_port", "destination_port", "to_port"):
        if getattr(rule, option) and not packet_option.has_ports(rule.protocol):
            raise SpecError(f"{option}: only {', '.join(WITH_PORTS)} have ports; give one of them as 'protocol'")
    if rule.ports and rule.protocol and not packet_option.has_ports(rule.protocol):
        raise SpecError(f"ports: '{rule.protocol}' has no ports; leave 'ports' out")
    right, wrong = ("icmp", "icmpv6") if rule.version == 4 else ("icmpv6", "icmp")
    if rule.protocol == wrong:
        raise SpecError(f"protocol: there is no '{wrong}' in IPv{rule.version}; give '{right}'")


def _check_out(rule: NatRule) -> None:
    if not rule.source and not rule.out_interface:
        raise SpecError(
            f"source: 'action: {rule.action}' needs it or 'out_interface', else it would translate all the host sends"
        )


def _check_dnat(rule: NatRule) -> None:
    import netaddr

    if netaddr.IPAddress(rule.to_address) in netaddr.IPNetwork("::1/128" if rule.version == 6 else "127.0.0.0/8"):
        raise SpecError(f"to_address: '{rule.to_address}' is the host itself; use 'action: redirect'")
    narrowed = rule.destination or rule.in_interface or rule.source
    all_ports = rule.protocol in (None, *WITH_PORTS) and rule.destination_port is None
    if all_ports and not narrowed:
        raise SpecError(
            "destination_port: without it or 'destination' every connection to the host would be forwarded, yours too"
        )
    _check_ports(rule)


def _check_redirect(rule: NatRule) -> None:
    if not rule.in_interface and not rule.source and not rule.destination:
        raise SpecError(
            "in_interface: 'action: redirect' needs it, 'source' or 'destination', else it would catch all traffic"
        )
    _check_ports(rule)


def _check_ports(rule: NatRule) -> None:
    if rule.to_port is None:
        return
    if rule.destination_port is None:
        raise SpecError(f"to_port: {rule.to_port} needs 'destination_port', the port that is forwarded")
    (first, last), (to_first, to_last) = (packet_option.bounds(p) for p in (rule.destination_port, rule.to_port))
    if to_first != to_last and to_last - to_first != last - first:
        raise SpecError(
            f"to_port: {rule.to_port} and destination_port {rule.destination_port} differ in length; "
            "give one port, or a range as long as the other"
        )


def _check_netmap(rule: NatRule) -> None:
    import netaddr

    for option in ("source", "to_address"):
        if negation(getattr(rule, option))[0]:
            raise SpecError(f"{option}: '{getattr(rule, option)}' cannot be negated with 'action: netmap'")
    inside, outside = netaddr.IPNetwork(rule.source), netaddr.IPNetwork(rule.to_address)
    if inside.prefixlen != outside.prefixlen:
        raise SpecError(
            f"to_address: '{outside}' and source '{inside}' differ in length; "
            "a one-to-one mapping needs networks of one length"
        )


_CHECKS = {
    "masquerade": _check_out,
    "snat": _check_out,
    "dnat": _check_dnat,
    "redirect": _check_redirect,
    "netmap": _check_netmap,
}
