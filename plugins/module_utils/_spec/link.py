# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every link of ours has, whatever its kind: alias, MAC, MTU, addresses, routes, up. Pure."""

from __future__ import annotations

from typing import Any

from . import ip
from .address import ip_version
from .base import Step


def steps(before: Any, after: Any, born: tuple[str, ...] = ()) -> list[Step]:
    """From one state of a link to another; `before` is ``None`` for one just made, with what `born` names."""
    changes: list[Step] = []
    if (after.alias or "") != (getattr(before, "alias", None) or ""):
        changes.append(ip.set_alias(*after.key, after.alias or ""))
    for name, step in (("mac", ip.set_mac), ("mtu", ip.set_mtu)):
        value = getattr(after, name)
        had = getattr(before, name) if before else value if name in born else None
        if value not in (None, had):
            changes.append(step(*after.key, value))
    # Routes go before the addresses that they may vanish with, and come when the link is up.
    changes += [ip.route_del(*after.key, r) for r in _routes(before) if r not in _routes(after)]
    changes += _addresses(after.key, before, after)
    if after.up is not None and after.up != getattr(before, "up", False):
        changes.append(ip.set_up(*after.key, after.up))
    lost = [r for r in _routes(before) if r in _routes(after)] if _loses_routes(before, after) else []
    changes += [ip.route_add(*after.key, r, "replace") for r in lost if ip_version(r.dst) == 4]
    return changes + [ip.route_add(*after.key, r) for r in _routes(after) if r not in _routes(before)]


def port_steps(before: Any, after: Any) -> list[Step]:
    """For a link that knows its own ``bridge`` and whether it is ``isolated`` there, which no port is at first."""
    joins = after.bridge != (before.bridge if before else None)
    changes = [ip.set_master(*after.key, after.bridge)] if joins else []
    isolated_now = bool(before and before.isolated and not joins)
    if after.bridge and after.isolated is not None and after.isolated != isolated_now:
        changes.append(ip.set_isolated(*after.key, after.isolated))
    return changes


def _addresses(key: tuple, before: Any, after: Any) -> list[Step]:
    """Secondaries are removed first: with their primary they may vanish (ip-sysctl: promote_secondaries)."""
    old, new = _of(before, "addresses"), _of(after, "addresses")
    gone = sorted((a for a in old if a not in new), key=lambda a: a not in before.secondary)
    return (
        [ip.address_del(*key, a) for a in gone]
        + [ip.address_add(*key, a, "replace") for a in _vanishing(before, after)]
        + [ip.address_add(*key, a) for a in new if a not in old]
    )


def _vanishing(before: Any, after: Any) -> list[str]:
    """The secondaries that are to stay, but whose primary is removed."""
    old, new = _of(before, "addresses"), _of(after, "addresses")
    subnets = {_subnet(a) for a in old if a not in new and a not in before.secondary}
    return [a for a in old if a in new and a in before.secondary and _subnet(a) in subnets]


def _loses_routes(before: Any, after: Any) -> bool:
    """Without any IPv4 address left, a link loses its IPv4 routes (fib_inetaddr_event in net/ipv4/fib_frontend.c)."""
    old, new = _of(before, "addresses"), _of(after, "addresses")
    v4 = [a for a in old if ip_version(a) == 4]
    return bool(v4) and not any(a in new for a in v4 if a not in _vanishing(before, after))


def surviving_routes(have: Any, after: Any) -> tuple[Any, ...]:
    """The routes of `have` that the addresses of `after` allow, for whoever leaves routes alone."""
    lost = _loses_routes(have, after)
    return tuple(r for r in have.routes if not lost or ip_version(r.dst) == 6 or _is_reached(r.gateway, after))


def _is_reached(gateway: str | None, state: Any) -> bool:
    return gateway is None or any(_is_in(gateway, address) for address in state.addresses)


def _is_in(ip: str, address: str) -> bool:
    import netaddr

    return netaddr.IPAddress(ip) in _subnet(address)


def _routes(state: Any) -> tuple[Any, ...]:
    return _of(state, "routes")


def _of(state: Any, name: str) -> tuple[Any, ...]:
    return getattr(state, name, None) or ()


def _subnet(address: str) -> Any:
    import netaddr

    return netaddr.IPNetwork(address).cidr
