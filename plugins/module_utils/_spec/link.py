# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every link of ours has, whatever its kind: alias, MAC, MTU, addresses, routes, up. Pure."""

from __future__ import annotations

from typing import Any

from . import ip
from .address import ip_version
from .base import Step


def steps(before: Any, after: Any) -> list[Step]:
    """From one state of a link to another; `before` is ``None`` for a link just made."""
    changes: list[Step] = []
    if (after.alias or "") != (getattr(before, "alias", None) or ""):
        changes.append(ip.set_alias(*after.key, after.alias or ""))
    for name, step in (("mac", ip.set_mac), ("mtu", ip.set_mtu)):
        value = getattr(after, name)
        if value is not None and value != getattr(before, name, None):
            changes.append(step(*after.key, value))
    changes += _addresses(after.key, getattr(before, "addresses", None), getattr(after, "addresses", None))
    if after.up is not None and after.up != getattr(before, "up", False):
        changes.append(ip.set_up(*after.key, after.up))
    return changes + ip.difference(
        getattr(before, "routes", None),
        getattr(after, "routes", None),
        lambda route: ip.route_del(*after.key, route),
        lambda route: ip.route_add(*after.key, route),
    )


def _addresses(key: tuple, before: tuple[str, ...] | None, after: tuple[str, ...] | None) -> list[Step]:
    """Removing an IPv4 address takes its secondaries with it (ip-sysctl: promote_secondaries), so put them back."""
    old, new = before or (), after or ()
    gone = [a for a in old if a not in new]
    lost = {_subnet(a) for a in gone if ip_version(a) == 4}
    back = [a for a in new if a not in old or _subnet(a) in lost]
    return [ip.address_del(*key, a) for a in gone] + [ip.address_add(*key, a) for a in back]


def _subnet(address: str) -> Any:
    import netaddr

    return netaddr.IPNetwork(address).cidr
