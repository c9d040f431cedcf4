# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bridges as files of ifupdown: interfaces(5), bridge-utils-interfaces(5). Pure.

A bridge has a file of its own. What says how its uplink is configured becomes comments where it stands, marked as ours,
and is in effect again when they are lines again; nothing else of these files is touched.
"""

from __future__ import annotations

import fnmatch
import posixpath
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from .._spec import uplink_tag
from .._spec.address import ip_version
from .._spec.base import SpecError
from .._spec.bridge import Bridge
from .boot_path import HEAD
from .interfaces_file import COUNTS, Stanza, put_back, stanzas, taken_out
from .native import Files

NAME = "ifupdown"
TOP = "/etc/network"
MAIN = f"{TOP}/interfaces"
FOLDER = f"{TOP}/interfaces.d"
PREFIX = "virtnet-"

_BRIDGE, _UPLINK = "# bridge: ", "# uplink: "
_MARK = re.compile(r"^#virtnet\.qemu (\S+)# ", re.MULTILINE)
_SOURCED = f"# Written by virtnet.qemu, and gone with its last bridge:\nsource {FOLDER}/{PREFIX}*\n"
_METHODS = {"inet": ("static", "dhcp", "manual", "bootp"), "inet6": ("static", "auto", "dhcp", "manual")}
#: What is about the NIC as a device, and stays with it. Everything else is about packets of the host.
_OF_THE_NIC = re.compile(
    r"(mtu|hwaddress|(wireless|wpa|ethernet|link|offload|hardware|driver|dma|bond|vlan|gro|gso|tso)[-_].*|slaves)$"
)
_COMMANDS = ("pre-up", "up", "post-up", "pre-down", "down", "post-down")
_ABOUT_THE_NIC = re.compile(r"(\S*/)?(ethtool|iw|iwconfig|mii-tool|wpa_\S+|ip\s+(-\S+\s+)*l(i(nk?)?)?)\s")
#: What ifupdown hands to a shell as it is, and does not take for a VLAN, a pattern or a logical name.
_NAME = re.compile(r"[A-Za-z0-9_-]+$")
#: Seconds that a boot waits for a NIC that is not there yet.
_PATIENCE = 20

Option = tuple[str, str]


@dataclass(frozen=True)
class Managed:
    """A NIC that ifupdown configures.

    ``tree`` is all that it reads, as it would be without our files of the bridge in question.
    """

    nic: str
    mac: str
    tree: Mapping[str, str]

    def uplink_files(self, bridge: Bridge) -> dict[str, str]:
        """The file of the bridge, and those that no longer configure the NIC."""
        if not _NAME.match(bridge.name):
            raise SpecError(
                f"name: ifupdown cannot have a bridge with the name '{bridge.name}', for it hands names to a shell and "
                "takes those with a dot for VLANs; use letters, digits, '-' and '_'"
            )
        gone = _about(self.nic, self.tree)
        moved = [one for one in gone if one.keyword == "iface"]
        # First: whoever reads both, as after a power cut, has the NIC configured twice, and not at all otherwise.
        files = {path_of(bridge.name): _text_with_uplink(bridge, self, moved)}
        for path in dict.fromkeys(stanza.path for stanza in gone):
            there = [stanza for stanza in gone if stanza.path == path]
            files[path] = taken_out(self.tree[path], there, mark(bridge.name))
        return _read(self.tree, files)


@dataclass(frozen=True)
class Keeper:
    """A host whose interfaces ifupdown brings up at boot. ``tree`` is all that it reads but what is ours."""

    tree: Mapping[str, str]

    def bridge_files(self, bridge: Bridge, there: Mapping[str, str]) -> dict[str, str] | None:
        if not _NAME.match(bridge.name):
            return None
        return _read({**self.tree, **there}, {path_of(bridge.name): _text(bridge, [], [])})


# -- what is ours ----------------------------------------------------------------------------------


def mark(bridge: str) -> str:
    """How each line begins that is taken out for a bridge."""
    return f"#virtnet.qemu {bridge}# "


def path_of(bridge: str) -> str:
    """Of characters that all ways to include files let through."""
    safe = re.sub(r"[^A-Za-z0-9-]", lambda found: "".join(f"_{byte:02X}" for byte in found[0].encode()), bridge)
    return f"{FOLDER}/{PREFIX}{safe}"


def is_native(path: str) -> bool:
    return path.startswith(f"{TOP}/")


def is_ours(path: str) -> bool:
    return path.startswith(f"{FOLDER}/{PREFIX}")


def has_ours(path: str, text: str) -> bool:
    """Whether a file is ours, or has something of ours in it."""
    return is_ours(path) or _SOURCED in text or bool(_MARK.search(text))


def bridges(there: Mapping[str, str]) -> list[str]:
    natives = {path: text for path, text in there.items() if is_native(path)}
    ours = [name for path, text in natives.items() if is_ours(path) and (name := said(text)[0])]
    return [*ours, *(name for text in natives.values() for name in _MARK.findall(text))]


def said(text: str) -> tuple[str | None, str | None]:
    """What a file of ours says of itself: the bridge and its uplink."""
    found = [re.search(rf"^{label}(.*)$", text, re.MULTILINE) for label in (_BRIDGE, _UPLINK)]
    return tuple(one and one[1] for one in found)


def without(bridge: str, there: Mapping[str, str]) -> Files:
    ours = path_of(bridge)
    texts = {path: text for path, text in there.items() if is_native(path) and not is_ours(path)}
    back = {path: put_back(text, mark(bridge)) for path, text in texts.items()}
    if MAIN in back and not any(is_ours(path) and path != ours for path in there):
        back[MAIN] = back[MAIN].replace(_SOURCED, "")
    changed: Files = {path: text for path, text in back.items() if text != texts[path]}
    return {**changed, ours: None} if ours in there else changed


def _read(tree: Mapping[str, str], files: dict[str, str]) -> dict[str, str]:
    """`files`, and what is needed to have ifupdown read those of them that are new."""
    now = {**tree, **files}
    hidden = [path for path in files if is_ours(path) and not _is_included(path, now)]
    return {**files, MAIN: _SOURCED + now[MAIN]} if hidden else files


def _is_included(path: str, tree: Mapping[str, str]) -> bool:
    return any(
        _includes(stanza.keyword, posixpath.join(posixpath.dirname(stanza.path), pattern), path)
        for stanza in stanzas(tree)
        for pattern in stanza.words
        if stanza.keyword in ("source", "source-directory")
    )


def _includes(keyword: str, pattern: str, path: str) -> bool:
    folder, name = posixpath.split(path)
    if keyword == "source-directory":
        return bool(COUNTS.match(name)) and fnmatch.fnmatchcase(folder, pattern.rstrip("/"))
    of_folder, of_name = posixpath.split(pattern)
    return fnmatch.fnmatchcase(folder, of_folder) and fnmatch.fnmatchcase(name, of_name)


# -- what configures a NIC -------------------------------------------------------------------------


def configures(nic: str, tree: Mapping[str, str]) -> bool:
    return any(_is_of(nic, stanza) for stanza in _others(tree))


def comes_up_at_boot(tree: Mapping[str, str]) -> bool:
    """Whether anything but the loopback interface, and what is ours, does."""
    classes = ("auto", "allow-auto", "allow-hotplug")
    return any(set(stanza.words) - {"lo"} for stanza in _others(tree) if stanza.keyword in classes)


def _others(tree: Mapping[str, str]) -> list[Stanza]:
    return [stanza for stanza in stanzas(tree) if not is_ours(stanza.path)]


def _is_of(nic: str, stanza: Stanza) -> bool:
    """An alias interface, such as eth0:1, is the NIC too."""
    return stanza.keyword == "iface" and stanza.name.partition(":")[0] == nic


def _about(nic: str, tree: Mapping[str, str]) -> list[Stanza]:
    """The stanzas that are to be out of effect. Raises SpecError for what cannot be written for a bridge."""
    found = _others(tree)
    for stanza in found:
        if (why := _hindrance(nic, stanza)) is not None:
            raise SpecError(
                f"uplink: what {stanza.path} says of '{nic}' cannot be written for a bridge: it {why}; change it "
                "there, or give 'persist: none' and write the bridge into ifupdown's files yourself"
            )
    return [_expanded(stanza, found) for stanza in found if _is_of(nic, stanza)]


def _hindrance(nic: str, stanza: Stanza) -> str | None:
    if stanza.keyword == "rename" and any(word.partition("=")[2] == nic for word in stanza.words):
        return f"renames an interface to '{nic}'"
    if stanza.keyword == "mapping" and any(fnmatch.fnmatchcase(nic, pattern) for pattern in stanza.words):
        return f"has a script choose how '{nic}' is configured, by 'mapping {' '.join(stanza.words)}'"
    if stanza.keyword == "iface" and stanza.name != nic and nic in stanza.words[1:]:
        return f"has '{stanza.name}' inherit from '{nic}'"
    return _hindrance_of_its_own(stanza) if _is_of(nic, stanza) else None


def _hindrance_of_its_own(stanza: Stanza) -> str | None:
    if not is_native(stanza.path):
        return f"is not below {TOP}"
    family, method = (*stanza.words[1:3], "", "")[:2]
    if "inherits" not in stanza.words and method not in _METHODS.get(family, ()):
        return f"is 'iface {' '.join(stanza.words)}', and a bridge cannot be '{family} {method}'"
    return None


def _expanded(stanza: Stanza, found: list[Stanza], seen: tuple[str, ...] = ()) -> Stanza:
    """With the options of what it inherits from, which come first and count."""
    if "inherits" not in stanza.words:
        return stanza
    at = stanza.words.index("inherits")
    source, words = stanza.words[at + 1], stanza.words[:at]
    parents = [one for one in found if one.keyword == "iface" and one.name == source and source not in seen]
    options = stanza.options
    for parent in (_expanded(one, found, (*seen, source)) for one in parents[:1]):
        words = (*words, *parent.words[len(words) : 3])
        given = {name for name, _value in parent.options if name not in _COMMANDS}
        options = (*parent.options, *(option for option in options if option[0] not in given))
    return Stanza(stanza.path, stanza.keyword, words, options, stanza.lines)


# -- the text --------------------------------------------------------------------------------------

#: Family, method, options.
Part = tuple[str, str, list[Option]]


def _text_with_uplink(bridge: Bridge, managed: Managed, moved: list[Stanza]) -> str:
    parts = list(_moved(bridge, managed, moved))
    device = dict(option for stanza in moved for option in stanza.options[::-1] if _OF_THE_NIC.match(option[0]))
    commands = [option for stanza in moved for option in stanza.options if _is_command_of_the_nic(option)]
    ports = [_stanza(managed.nic, "inet", "manual", [*device.items(), *commands])]
    # Lines that bring them up stay where they are.
    ports += [_stanza(name, "inet", "manual", []) for name in dict.fromkeys(s.name for s in moved if ":" in s.name)]
    return _text(bridge, parts, ports, managed.mac)


def _moved(bridge: Bridge, managed: Managed, stanzas_of_nic: list[Stanza]) -> Iterator[Part]:
    for stanza in stanzas_of_nic:
        family, method = stanza.words[1:3]
        if bridge.uplink_addresses == "flush" and (family, method) != ("inet6", "auto"):
            # It gets its addresses otherwise.
            continue
        options = [
            (name, _renamed(value, managed.nic, bridge.name) if name in _COMMANDS else value)
            for name, value in stanza.options
            if not _OF_THE_NIC.match(name) and not _is_command_of_the_nic((name, value))
        ]
        yield family, method, options


def _is_command_of_the_nic(option: Option) -> bool:
    return option[0] in _COMMANDS and bool(_ABOUT_THE_NIC.match(option[1]))


def _renamed(command: str, nic: str, bridge: str) -> str:
    """A VLAN of the NIC stays one of the NIC."""
    return re.sub(rf"(?<![\w-]){re.escape(nic)}(?![\w-]|\.\d)", lambda _found: bridge, command)


def _text(bridge: Bridge, parts: list[Part], ports: list[str], mac: str | None = None) -> str:
    own: list[Part] = [("inet", "static", [("address", a)]) for a in bridge.addresses or () if ip_version(a) == 4]
    first, *rest = [*parts, *own] or [("inet", "manual", [])]
    family, method, options = first
    names = [bridge.name, *([bridge.uplink] if bridge.uplink else [])]
    head = f"{HEAD}{_BRIDGE}{bridge.name}\n" + (f"{_UPLINK}{bridge.uplink}\n" if bridge.uplink else "")
    blocks = [
        # 'ifdown -a' would delete the bridge under its guests.
        f"auto {bridge.name}\nno-auto-down {' '.join(names)}\n",
        _stanza(bridge.name, family, method, [*_device(bridge, mac), *options]),
        *(_stanza(bridge.name, *part) for part in rest),
        *ports,
    ]
    return head + "\n" + "\n".join(blocks)


def _device(bridge: Bridge, mac: str | None) -> list[Option]:
    ports = [("bridge_ports", bridge.uplink or "none")]
    if bridge.uplink:
        ports.append(("bridge_waitport", f"{_PATIENCE} {bridge.uplink}"))
    alias = uplink_tag.write(bridge.uplink or None, bridge.addresses)
    # Without STP its ports forward at once; without an uplink there is none yet.
    waits = bridge.stp and bridge.uplink
    options = (
        ("bridge_hw", bridge.mac or mac),
        ("bridge_stp", _word(bridge.stp, "on", "off")),
        ("bridge_fd", bridge.forward_delay),
        ("bridge_ageing", bridge.ageing_time),
        ("bridge_vlan_aware", _word(bridge.vlan_filtering, "yes", "no")),
        ("bridge_maxwait", None if waits else 0),
        ("up", bridge.mtu and f"ip link set dev $IFACE mtu {bridge.mtu}"),
        ("up", f"ip link set dev $IFACE alias {shlex.quote(alias)}"),
        # A stanza of its own would have the bridge hear no router.
        *(("up", f"ip address replace {a} dev $IFACE nodad") for a in bridge.addresses or () if ip_version(a) == 6),
    )
    return [*ports, *((name, str(value)) for name, value in options if value is not None)]


def _word(value: bool | None, yes: str, no: str) -> str | None:
    return None if value is None else yes if value else no


def _stanza(name: str, family: str, method: str, options: Iterable[Option]) -> str:
    return f"iface {name} {family} {method}\n" + "".join(f"    {key} {value}\n" for key, value in options)
