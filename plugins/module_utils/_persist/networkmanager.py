# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A bridge with an uplink as profiles of NetworkManager: nm-settings-keyfile(5). Pure.

The bridge gets what the NIC's own profile says. That one stays as it is, and comes second as long as ours are there.
"""

from __future__ import annotations

import ipaddress
import re
import uuid
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields, replace

from .._spec import uplink_tag
from .._spec.base import SpecError
from .._spec.bridge import Bridge
from . import keyfile
from .boot_path import HEAD, word
from .keyfile import FOLDER, Profile
from .native import Files

NAME = "NetworkManager"
PREFIX, SUFFIX = "virtnet-", ".nmconnection"
#: Where udev finds how to treat an interface; networkd's own files of ours are called otherwise.
UDEV, UDEV_PREFIX, UDEV_SUFFIX = "/etc/systemd/network", "04-virtnet-", ".link"
FOLDERS = (FOLDER, UDEV)
Section = tuple[str, dict[str, str]]

_NAMESPACE = uuid.UUID("6f1a0c2e-5a0b-4c39-9d4e-7c1f7f0b7a55")
#: Of several profiles that fit, the one with the highest is taken; this is NetworkManager's highest.
_PRIORITY = "999"
#: As a number of seconds it has no end. A bridge that fails would give its NIC back to the profile that comes second.
_ENDLESS = "2147483647"
#: Of the section [connection], what is about packets of the host, and what is about the NIC as a device.
_OF_THE_HOST = (
    *("zone", "metered", "mdns", "llmnr", "dns-over-tls", "gateway-ping-timeout", "ip-ping-timeout"),
    *("ip-ping-addresses", "ip-ping-addresses-require-all", "secondaries", "stable-id", "mptcp-flags"),
)
_OF_THE_NIC = ("lldp", "auth-retries")
#: Sections that go to the bridge, and those of which each profile has its own.
_HOST_SECTIONS = ("proxy", "hostname")
_OWN_SECTIONS = ("connection", "match", "user", "bridge", "bridge-port", "ipv4", "ipv6", ".nmmeta")
#: In [user]: NetworkManager keeps that when somebody changes the profile by its own tools.
_NOTE = "virtnet."
#: A longer value it does not take, and with it not the whole profile.
_LONGEST_NOTE = 8192


@dataclass(frozen=True)
class Managed:
    """A NIC that NetworkManager configures: by which profile; "" for one that it leaves without.

    And what it does so beyond the text of that: ``metric`` of the routes, ``client_id`` and the IPv6 ``duid`` and
    ``iaid`` of DHCP clients that have a lease, ``token`` of addresses that do not follow from the MAC address.
    """

    mac: str
    origin: str = ""
    text: str = ""
    metric: str = ""
    client_id: str = ""
    duid: str = ""
    iaid: str = ""
    token: str = ""

    def uplink_files(self, bridge: Bridge) -> dict[str, str]:
        """The profiles of the bridge and of its uplink, by path."""
        profile = keyfile.parse(self.text)
        _check(bridge.uplink, profile)
        return {
            path_of(bridge.name): HEAD + keyfile.written(_bridge(bridge, self, profile)),
            path_of(bridge.uplink): HEAD + keyfile.written(_port(bridge, self, profile)),
            f"{UDEV}/{UDEV_PREFIX}{word(None, bridge.name)}{UDEV_SUFFIX}": HEAD + keyfile.written(_device(bridge)),
        }


_NOTED = tuple(field.name for field in fields(Managed) if field.name != "mac")


# -- what is there -------------------------------------------------------------------------------


def path_of(interface: str) -> str:
    return f"{FOLDER}/{PREFIX}{word(None, interface)}{SUFFIX}"


def is_native(path: str) -> bool:
    return (path.startswith(f"{FOLDER}/{PREFIX}") and path.endswith(SUFFIX)) or (
        path.startswith(f"{UDEV}/{UDEV_PREFIX}") and path.endswith(UDEV_SUFFIX)
    )


def bridges(there: Mapping[str, str]) -> list[str]:
    return [name for path, text in there.items() if is_native(path) and (name := _bridge_of(text))]


def without(bridge: str, there: Mapping[str, str]) -> Files:
    return {path: None for path, text in there.items() if is_native(path) and _bridge_of(text) == bridge}


def _bridge_of(text: str) -> str | None:
    return _notes(text).get("bridge") or keyfile.parse(text).get("Match", {}).get("OriginalName")


def earlier(nic: str, mac: str, there: Mapping[str, str]) -> Managed | None:
    """How a NIC was configured before it became the port that our profile of it makes it."""
    text = there.get(path_of(nic))
    notes = {} if text is None else _notes(text)
    return Managed(mac, **{name: notes.get(name, "") for name in _NOTED}) if "bridge" in notes else None


def identities(texts: Iterable[str]) -> dict[str, str]:
    """Of profiles of ours: the UUID by interface."""
    connections = [keyfile.parse(text).get("connection", {}) for text in texts]
    return {one["interface-name"]: one["uuid"] for one in connections if "interface-name" in one and "uuid" in one}


def origins(texts: Iterable[str]) -> dict[str, str]:
    """Of profiles of ours: the UUID of the NIC's own profile by NIC, "" where there is none."""
    return {nic: _notes(text).get("origin", "") for text in texts for nic in identities([text]) if _is_port(text)}


def addresses(text: str) -> set[ipaddress.IPv6Address]:
    """The IPv6 addresses that a profile lists."""
    ipv6 = keyfile.parse(text).get("ipv6", {})
    found = set()
    for value in (value for key, value in ipv6.items() if re.fullmatch(r"address(es)?\d*", key)):
        with suppress(ValueError):
            found.add(ipaddress.IPv6Address(re.split("[/;,]", value)[0].strip()))
    return found


def _is_port(text: str) -> bool:
    return "origin" in _notes(text)


def _notes(text: str) -> dict[str, str]:
    user = keyfile.parse(text).get("user", {})
    return {key[len(_NOTE) :]: keyfile.unescaped(value) for key, value in user.items() if key.startswith(_NOTE)}


# -- the files -----------------------------------------------------------------------------------


def _check(nic: str, profile: Profile) -> None:
    connection = profile.get("connection", {})
    kind = connection.get("type", "ethernet")
    for wrong, text in (
        ("802-1x" in profile, "authenticates the NIC by 802.1X, which no port of a bridge can"),
        ("pppoe" in profile or kind == "pppoe", "dials in by PPPoE, which stays with the NIC"),
        (kind not in ("ethernet", "802-3-ethernet"), f"is of the type '{kind}'; only an Ethernet one can be written"),
        (profile.get("ipv4", {}).get("method") == "shared", "shares the NIC's network with others by 'method=shared'"),
        (profile.get("ipv6", {}).get("method") == "shared", "shares the NIC's network with others by 'method=shared'"),
        (connection.get("autoconnect-priority") == _PRIORITY, f"has the priority {_PRIORITY}, which ours need"),
    ):
        if wrong:
            name = connection.get("id", "without a name")
            raise SpecError(f"uplink: NetworkManager's profile '{name}' of '{nic}' {text}; change that profile first")


def _bridge(bridge: Bridge, managed: Managed, profile: Profile) -> list[Section]:
    connection = {
        **_connection(bridge.name, "bridge"),
        "autoconnect-slaves": "1",
        **_chosen(profile.get("connection", {}), _OF_THE_HOST),
    }
    device = {"cloned-mac-address": bridge.mac or managed.mac, **({"mtu": str(bridge.mtu)} if bridge.mtu else {})}
    ipv4, ipv6 = _of_the_host(profile, bridge.uplink_addresses == "flush") if managed.text else ({}, {})
    return [
        ("connection", connection),
        ("ethernet", device),
        ("bridge", _options(bridge)),
        ("ipv4", _ipv4(bridge, managed, ipv4)),
        ("ipv6", _ipv6(bridge, managed, ipv6)),
        *((name, keys) for name, keys in profile.items() if name in _HOST_SECTIONS and keys),
        ("user", {f"{_NOTE}bridge": bridge.name}),
    ]


def _options(bridge: Bridge) -> dict[str, str]:
    """What NetworkManager has another default for than the kernel is said; the kernel made the bridge first."""
    given = (
        ("stp", _truth(bool(bridge.stp))),
        ("forward-delay", bridge.forward_delay),
        ("ageing-time", bridge.ageing_time),
        ("vlan-filtering", None if bridge.vlan_filtering is None else _truth(bridge.vlan_filtering)),
    )
    return {name: str(value) for name, value in given if value is not None}


def _of_the_host(profile: Profile, flush: bool) -> tuple[dict[str, str], dict[str, str]]:
    ipv4, ipv6 = ({"method": "auto", **profile.get(name, {})} for name in ("ipv4", "ipv6"))
    if not flush:
        return ipv4, ipv6
    # It gets its addresses otherwise. What routers say is left to the kernel: with nothing else to do, NetworkManager
    # would be busy with the bridge for as long as none says anything.
    methods = {"manual": "link-local", "link-local": "link-local", "disabled": "disabled"}
    return {}, {"method": methods.get(ipv6["method"], "ignore")}


def _ipv4(bridge: Bridge, managed: Managed, keys: dict[str, str]) -> dict[str, str]:
    own = [address for address in bridge.addresses or () if ":" not in address]
    made = _with_own(keys or {"method": "disabled"}, own, ("disabled",))
    if keys and managed.metric:
        made.setdefault("route-metric", managed.metric)
    if made["method"] == "auto":
        made.setdefault("dhcp-timeout", _ENDLESS)
        if managed.client_id:
            made["dhcp-client-id"] = managed.client_id
    return made


def _ipv6(bridge: Bridge, managed: Managed, keys: dict[str, str]) -> dict[str, str]:
    own = [address for address in bridge.addresses or () if ":" in address]
    made = _with_own(keys or {"method": "ignore"}, own, ("ignore", "disabled", "link-local"))
    if keys and managed.metric:
        made.setdefault("route-metric", managed.metric)
    if made["method"] in ("auto", "dhcp"):
        made.setdefault("ra-timeout", _ENDLESS)
        made.setdefault("dhcp-timeout", _ENDLESS)
        if managed.duid:
            made["dhcp-duid"] = managed.duid
        if managed.iaid:
            made["dhcp-iaid"] = managed.iaid
    if made["method"] == "auto" and managed.token:
        made.update({"addr-gen-mode": "eui64", "token": managed.token})
    return made


def _with_own(keys: Mapping[str, str], own: list[str], empty: Iterable[str]) -> dict[str, str]:
    """With the bridge's own addresses after those of the host, under methods that allow for some."""
    made = {"method": keys["method"], **keys}
    if own and made["method"] in empty:
        made["method"] = "manual"
    elif own and made["method"] == "link-local":
        raise SpecError(
            f"addresses: '{own[0]}' cannot be kept over a reboot beside the link-local IPv4 addresses that "
            "NetworkManager's profile of the NIC asks for; change that profile first"
        )
    used = [int(found[1]) for key in keys if (found := re.fullmatch(r"address(?:es)?(\d+)", key))]
    made.update({f"address{number}": address for number, address in enumerate(own, max(used, default=0) + 1)})
    return made


def _port(bridge: Bridge, managed: Managed, profile: Profile) -> list[Section]:
    connection = {
        **_connection(bridge.uplink, "ethernet"),
        "master": bridge.name,
        "slave-type": "bridge",
        **_chosen(profile.get("connection", {}), _OF_THE_NIC),
    }
    rest = {name: keys for name, keys in profile.items() if name not in (*_OWN_SECTIONS, *_HOST_SECTIONS)}
    # NetworkManager writes the time of the last use into profiles that it made itself.
    managed = replace(managed, text=re.sub(r"(?m)^timestamp=.*\n", "", managed.text))
    notes = {name: keyfile.escaped(getattr(managed, name)) for name in _NOTED}
    kept = {name: value for name, value in notes.items() if name == "origin" or 0 < len(value) <= _LONGEST_NOTE}
    return [
        ("connection", connection),
        ("ethernet", rest.pop("ethernet", {})),
        *rest.items(),
        ("bridge-port", {}),
        ("user", {f"{_NOTE}{name}": value for name, value in {"bridge": bridge.name, **kept}.items()}),
    ]


def _device(bridge: Bridge) -> list[Section]:
    """For udev, before whatever else it has: a file that names the NIC by its MAC address means the bridge too.

    The mark is here too, for NetworkManager makes the bridge again when somebody deletes it.
    """
    mark = uplink_tag.write(bridge.uplink, bridge.addresses)
    return [("Match", {"OriginalName": bridge.name}), ("Link", {"MACAddressPolicy": "none", "Alias": mark})]


def _connection(interface: str, kind: str) -> dict[str, str]:
    return {
        "id": f"{PREFIX}{interface}",
        "uuid": str(uuid.uuid5(_NAMESPACE, f"{kind} {interface}")),
        "type": kind,
        "interface-name": interface,
        "autoconnect-priority": _PRIORITY,
    }


def _chosen(keys: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    return {name: keys[name] for name in names if name in keys}


def _truth(value: bool) -> str:
    return "true" if value else "false"
