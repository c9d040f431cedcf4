# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What ifupdown does with this host's interfaces."""

from __future__ import annotations

import json
import posixpath
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .._persist import ifupdown
from .._persist.ifupdown import Keeper, Managed
from .._persist.interfaces_file import COUNTS, parse
from . import dhcp_of_ifupdown as dhcp, files, ifstate, names_of_ifupdown as names
from .command import attempt, which
from .errors import HostError
from .manager import Edits, Manager

_CLASS = Path("/sys/class/net")
_IPV6 = Path("/proc/sys/net/ipv6/conf")
#: IN6_ADDR_GEN_MODE_NONE of <linux/if_link.h>
_NONE = "1"
_WANTED = Path("/etc/systemd/system/multi-user.target.wants/networking.service")
#: Interfaces whose DHCP client was stopped, or moves. Below /run: a reboot starts them all.
_HELD = Path("/run/virtnet/ifupdown-held.json")


class Ifupdown(Manager):
    files = ifupdown
    folders = (ifupdown.TOP,)

    def mode(self, path: str) -> int:
        """What only root may read must not be read by others in another file."""
        hidden = any(not Path(other).stat().st_mode & 0o004 for other in _tree())
        return 0o600 if hidden else 0o644

    def observe(self) -> dict[str, str]:
        return {path: text for path, text in _tree().items() if ifupdown.has_ours(path, text)}

    def managed(self, nic: str, bridge: str, there: Mapping[str, str]) -> Managed | None:
        logical = ifstate.read().get(nic)
        if logical is None or which("ifup") is None:
            return None
        natives = {path: text for path, text in there.items() if ifupdown.is_native(path)}
        tree = _without(bridge, {**_others(), **natives})
        if logical != nic:
            raise HostError(
                f"uplink: ifupdown has '{nic}' up as '{logical}', by a mapping or a pattern, which cannot be written "
                f"for a bridge; write 'iface {nic}' instead, or give 'persist: none'"
            )
        if not ifupdown.configures(nic, tree):
            return None
        if which("brctl") is None:
            raise HostError(
                f"uplink: ifupdown configures '{nic}', and for a bridge it needs the package 'bridge-utils'; install "
                "that, or give 'persist: none'"
            )
        mac = (files.read(_CLASS / nic / "address") or "").strip()
        return Managed(nic, mac, tree)

    def keeper(self) -> Keeper | None:
        if which("ifup") is None or which("brctl") is None or not _runs():
            return None
        tree = _others()
        return Keeper(tree) if ifupdown.comes_up_at_boot(tree) else None

    def hold(self, edits: Edits) -> None:
        """End the DHCP clients of interfaces whose addresses move. They release nothing, and take nothing along."""
        running = dhcp.served(name for pair in _moves(edits) for name in pair)
        if running:
            _hold({*_held(), *running})
        for name in running:
            dhcp.stop(name)

    def reload(self, edits: Edits) -> None:
        """Have ifupdown take what there is for what it would make."""
        ours = {path: pair for path, pair in edits.items() if ifupdown.is_ours(path)}
        for _before, after in ours.values():
            if after is not None:
                _check(ifupdown.said(after)[0])
        for before, after in ours.values():
            bridge, _uplink = ifupdown.said(after or before)
            ifstate.write(bridge, bridge if after else None)
        for source, target in _moves(edits):
            dhcp.hand_over(source, target)
            if (_CLASS / source).exists():
                names.forget(source)
            names.tell(target)
            if (_CLASS / source / "bridge").exists() or not (_CLASS / source).exists():
                dhcp.forget(source)
                _generate_link_local(target)
                _set(target)
        if ours:
            _hold({*_held(), *(target for _source, target in _moves(edits))})

    def release(self) -> None:
        """Where the files say that there is a DHCP client there is one again."""
        held = _held()
        if held:
            ours = [ifupdown.said(text) for path, text in self.observe().items() if ifupdown.is_ours(path)]
            bridges = {nic: bridge for bridge, nic in ours if nic}
            for name in dict.fromkeys(bridges.get(name, name) for name in held):
                dhcp.start(name)
            files.remove(_HELD)

    # -- checkpoints -----------------------------------------------------------------------------

    def saved(self) -> list[str]:
        """The interfaces that have a DHCP client of ifupdown's."""
        return dhcp.served(ifstate.read())

    def told(self, saved: Any) -> None:
        for name in dhcp.served(path.name for path in _CLASS.iterdir()):
            if name not in (saved or ()):
                dhcp.stop(name)

    def brought_back(self, saved: Any) -> list[str]:
        files.remove(_HELD)
        for name in set(ifstate.read()) - {"lo", *dhcp.served(ifstate.read())}:
            names.forget(name)
            names.tell(name)
        return [line for name in saved or () for line in dhcp.start(name)]


def _runs() -> bool:
    """Whether it brings up interfaces at boot."""
    return _WANTED.is_symlink() or not attempt(["systemctl", "is-active", "--quiet", "networking.service"]).code


def _moves(edits: Edits) -> Iterator[tuple[str, str]]:
    """From which interface to which the addresses go."""
    for path, texts in edits.items():
        if not ifupdown.is_ours(path):
            continue
        (bridge, old), (other, new) = (ifupdown.said(text or "") for text in texts)
        if old and old != new:
            yield bridge, old
        if new and old != new:
            yield new, other


def _held() -> set[str]:
    return set(json.loads(files.read(_HELD) or "[]"))


def _hold(names: set[str]) -> None:
    files.write(_HELD, json.dumps(sorted(names)))


def _check(bridge: str) -> None:
    done = attempt(["ifquery", bridge])
    if done.code:
        raise HostError(f"ifupdown does not take what was written for '{bridge}': {done.errors}")


def _generate_link_local(name: str) -> None:
    """bridge-utils keep a port from making itself an IPv6 address; one that is no port any more does so again."""
    of_nic, of_new = (_IPV6 / folder / "addr_gen_mode" for folder in (name, "default"))
    if not (_CLASS / name / "brport").exists() and (files.read(of_nic) or "").strip() == _NONE:
        # Unlike 'ip link', this makes the address too.
        of_nic.write_text((files.read(of_new) or "0").strip())


def _set(name: str) -> None:
    """What ifupdown sets of an interface, such as ``accept_ra``; one that came up as a port has not been asked yet."""
    for line in ifstate.typed(name):
        if line.startswith("sysctl "):
            attempt(shlex.split(line))


# -- what ifupdown reads -------------------------------------------------------------------------


def _tree() -> dict[str, str]:
    """All files that it reads, and all of ours, by path; empty where there is no ifupdown."""
    tree: dict[str, str] = {}
    left = [Path(ifupdown.MAIN), *sorted(Path(ifupdown.FOLDER).glob(f"{ifupdown.PREFIX}*"))]
    while left:
        path = left.pop(0)
        text = _text(path)
        if text is None or str(path) in tree:
            continue
        tree[str(path)] = text
        for stanza in parse(str(path), text):
            if stanza.keyword in ("source", "source-directory"):
                left += [found for word in stanza.words for found in _included(stanza.keyword, path.parent, word)]
    return tree


def _text(path: Path) -> str | None:
    return files.read(path) if path.is_file() else None


def _included(keyword: str, folder: Path, pattern: str) -> list[Path]:
    found = sorted(Path("/").glob(posixpath.join(folder, pattern).lstrip("/")))
    if keyword == "source":
        return found
    return [path for top in found if top.is_dir() for path in sorted(top.iterdir()) if COUNTS.match(path.name)]


def _others() -> dict[str, str]:
    """What it reads but our files; what of others' files is ours is still in them."""
    return {path: text for path, text in _tree().items() if not ifupdown.is_ours(path)}


def _without(bridge: str, tree: Mapping[str, str]) -> dict[str, str]:
    changed = ifupdown.without(bridge, tree)
    return {path: text for path, text in {**tree, **changed}.items() if text is not None}
