# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A bridge with an uplink as files of systemd-networkd: systemd.link(5), systemd.netdev(5), systemd.network(5). Pure.

The bridge gets what the file says that configures the NIC by itself, which comes into effect again when ours are gone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from .._spec.bridge import Bridge
from .boot_path import HEAD, word
from .native import Files

NAME = "systemd-networkd"
FOLDER = "/etc/systemd/network"
PREFIX = "05-virtnet-"
Section = tuple[str, list[str]]

_BRIDGE, _ORIGIN, _IAID = "# bridge: ", "# from: ", "# iaid: "
#: What is about packets of the host. Everything else is about the NIC as a device, and stays with it.
_OF_THE_HOST = (
    *("Address", "Neighbor", "IPv6AddressLabel", "RoutingPolicyRule", "NextHop", "Route", "IPv6AcceptRA"),
    *("DHCP", "DHCPv4", "DHCPv6", "DHCPPrefixDelegation", "IPv6PrefixDelegation", "IPv6SendRA", "IPv6Prefix"),
    *("IPv6RoutePrefix", "DHCPServer", "DHCPServerStaticLease"),
)
#: Of the section [Network], what is about the NIC as a device.
_OF_THE_NIC = re.compile(r"(VLAN|MACVLAN|MACVTAP|IPVLAN|IPVTAP|VXLAN|Tunnel|Xfrm|MACsec|LLDP|EmitLLDP)\s*=")
_OF_BEING_A_PORT = re.compile(r"(Bridge|Bond|VRF|BatmanAdvanced|KeepMaster)\s*=")
_PORT = re.compile(r"Bridge=")
_ONLINE = re.compile(r"RequiredForOnline\s*=")
_BY_DHCP = re.compile(r"DHCP\s*=\s*(yes|true|on|1|ipv4|both|v4)\s*$", re.IGNORECASE)


@dataclass(frozen=True)
class Managed:
    """A NIC that networkd configures: by which file, and its text with that of its drop-ins.

    ``iaid`` is what its DHCP client calls itself, where it has a lease.
    """

    origin: str
    text: str
    mac: str
    iaid: int | None = None

    def uplink_files(self, bridge: Bridge) -> dict[str, str]:
        """The files of the bridge and of its uplink, by path."""
        sections = parse(self.text)
        head = f"{HEAD}{_BRIDGE}{bridge.name}\n{_ORIGIN}{self.origin}\n"
        if self.iaid is not None:
            head += f"{_IAID}{self.iaid}\n"
        return {
            _path(bridge.name, "link"): head + _text(_device(bridge)),
            _path(bridge.name, "netdev"): head + _text(_netdev(bridge, self)),
            _path(bridge.name, "network"): head + _text(_bridge(bridge, self, sections)),
            _path(bridge.uplink, "network"): head + _text(_nic(bridge, sections)),
        }


def is_native(path: str) -> bool:
    return path.startswith(f"{FOLDER}/{PREFIX}")


def bridges(there: Mapping[str, str]) -> list[str]:
    return [name for path, text in there.items() if is_native(path) and (name := _said(_BRIDGE, text))]


def without(bridge: str, there: Mapping[str, str]) -> Files:
    return dict.fromkeys(files_of(bridge, there))


def files_of(bridge: str, there: Mapping[str, str]) -> list[str]:
    """The paths of what there is for that bridge."""
    return [path for path, text in there.items() if is_native(path) and _said(_BRIDGE, text) == bridge]


def origin_of(texts: Iterable[str]) -> tuple[str | None, int | None]:
    """What our files say of where they come from: the file, and the IAID."""
    for text in texts:
        iaid = _said(_IAID, text)
        return _said(_ORIGIN, text), int(iaid) if iaid else None
    return None, None


def uplinks_of(texts: Iterable[str]) -> list[str]:
    """The NICs among the interfaces that our files of these texts are about."""
    return [name for name, is_port in _interfaces(texts) if is_port]


def bridges_of(texts: Iterable[str]) -> list[str]:
    return [name for name, is_port in _interfaces(texts) if not is_port]


def _interfaces(texts: Iterable[str]) -> Iterator[tuple[str, bool]]:
    """Each interface that a file configures, and whether as a port."""
    for sections in filter(_network, map(parse, texts)):
        for name in [lines[0].partition("=")[2] for kind, lines in sections if kind == "Match"]:
            yield name, any(map(_PORT.match, _network(sections)))


def released(nics: Iterable[str]) -> str:
    """What has networkd take NICs as they are."""
    return _kept(nics, "KeepMaster=yes", "KeepConfiguration=yes", "LinkLocalAddressing=no")


def forgotten(bridges: Iterable[str]) -> str:
    """What has networkd take what it gave bridges for somebody else's."""
    return _kept(bridges, "KeepConfiguration=static")


def _kept(names: Iterable[str], *network: str) -> str:
    return HEAD + _text([("Match", [f"Name={' '.join(names)}"]), ("Network", [*network, "IPv6AcceptRA=no"])])


def parse(text: str) -> list[Section]:
    """Sections with their lines, in order; comments are left out, and a line that is continued is one."""
    sections: list[Section] = []
    for line in map(str.strip, re.sub(r"\\\n", " ", text).splitlines()):
        if not line or line[0] in "#;":
            continue
        if line[0] == "[":
            sections.append((line[1:].rstrip("]"), []))
        elif sections:
            sections[-1][1].append(line)
    return sections


# -- the files -----------------------------------------------------------------------------------


def _device(bridge: Bridge) -> list[Section]:
    """For udev, before whatever else it has: a file that names the NIC by its MAC address means the bridge too."""
    return [("Match", [f"OriginalName={bridge.name}"]), ("Link", ["MACAddressPolicy=none"])]


def _netdev(bridge: Bridge, managed: Managed) -> list[Section]:
    device = [f"Name={bridge.name}", "Kind=bridge", f"MACAddress={bridge.mac or managed.mac}"]
    device += [f"MTUBytes={bridge.mtu}"] if bridge.mtu else []
    options = (
        ("STP", None if bridge.stp is None else "yes" if bridge.stp else "no"),
        ("ForwardDelaySec", bridge.forward_delay),
        ("AgeingTimeSec", bridge.ageing_time),
        ("VLANFiltering", None if bridge.vlan_filtering is None else "yes" if bridge.vlan_filtering else "no"),
    )
    return [("NetDev", device), ("Bridge", [f"{name}={value}" for name, value in options if value is not None])]


def _bridge(bridge: Bridge, managed: Managed, sections: list[Section]) -> list[Section]:
    own = [f"Address={address}" for address in bridge.addresses or ()]
    # Guests find the bridge's own addresses there whether the uplink's cable is in or not.
    own += ["ConfigureWithoutCarrier=yes"] if own else []
    online = [line for name, lines in sections if name == "Link" for line in lines if _ONLINE.match(line)]
    head = [("Match", [f"Name={bridge.name}"]), ("Link", online)]
    if bridge.uplink_addresses == "flush":
        # It gets its addresses otherwise, and networkd is to leave those.
        rest = [line for line in _network(sections) if line.startswith(("IPv6AcceptRA", "LinkLocalAddressing"))]
        return [*head, ("Network", [*rest, "DHCP=no", "KeepConfiguration=yes", *own])]
    moved = [section for section in sections if section[0] in _OF_THE_HOST]
    network = [line for line in _network(sections) if not _OF_THE_NIC.match(line) and not _OF_BEING_A_PORT.match(line)]
    if managed.iaid is not None and any(map(_BY_DHCP.match, network)):
        # The same client as before, to which the server gives the same address.
        moved.append(("DHCPv4", [f"IAID={managed.iaid}"]))
    return [*head, ("Network", [*network, *own]), *moved]


def _nic(bridge: Bridge, sections: list[Section]) -> list[Section]:
    link = [line for name, lines in sections if name == "Link" for line in lines if not _ONLINE.match(line)]
    device = [line for line in _network(sections) if _OF_THE_NIC.match(line)]
    rest = [section for section in sections if section[0] not in ("Match", "Link", "Network", *_OF_THE_HOST)]
    return [
        ("Match", [f"Name={bridge.uplink}"]),
        # The host is online by the bridge.
        ("Link", [*link, "RequiredForOnline=no"]),
        ("Network", [f"Bridge={bridge.name}", "LinkLocalAddressing=no", *device]),
        *rest,
    ]


def _network(sections: list[Section]) -> list[str]:
    return [line for name, lines in sections if name == "Network" for line in lines]


def _text(sections: list[Section]) -> str:
    blocks = ["\n".join([f"[{name}]", *lines]) for name, lines in sections if lines]
    return "\n" + "\n\n".join(blocks) + "\n"


def _path(interface: str, suffix: str) -> str:
    return f"{FOLDER}/{PREFIX}{word(None, interface)}.{suffix}"


def _said(label: str, text: str) -> str | None:
    found = re.search(rf"^{label}(.*)$", text, re.MULTILINE)
    return found and found[1]
