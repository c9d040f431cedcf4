# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What systemd-networkd does with this host's interfaces."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .._persist import networkd
from .._persist.networkd import Managed
from . import files
from .command import attempt, run
from .errors import HostError
from .manager import Edits, Manager

#: What networkd says of each interface, by its index; networkctl(1) reads the same.
_LINKS = Path("/run/systemd/netif/links")
_LEASES = Path("/run/systemd/netif/leases")
#: Below /run: what a killed run leaves does not outlive a reboot.
_HELD = Path("/run/systemd/network/00-virtnet-held.network")
_LEFT = Path("/run/systemd/network/00-virtnet-left.network")
#: Seconds that networkd has to take notice.
_PATIENCE = 5
_CLASS = Path("/sys/class/net")
#: Where drop-ins are looked for; one hides those of the same name in folders after it.
_FOLDERS = ("/etc", "/run", "/usr/local/lib", "/usr/lib")


class Networkd(Manager):
    files = networkd
    folders = ("/etc/systemd/network", "/run/systemd/network")

    def observe(self) -> dict[str, str]:
        paths = sorted(Path(networkd.FOLDER).glob(f"{networkd.PREFIX}*"))
        return {str(path): text for path in paths if (text := files.read(path)) is not None}

    def managed(self, nic: str, bridge: str, there: Mapping[str, str]) -> Managed | None:
        index = files.read(_CLASS / nic / "ifindex")
        if index is None or not _runs():
            return None
        state = _state(nic)
        known, iaid = networkd.origin_of(there[path] for path in networkd.files_of(bridge, there))
        path = state.get("NETWORK_FILE")
        if path and (networkd.is_native(path) or Path(path) == _HELD):
            path = known
        text = path and files.read(Path(path))
        if text is None or state.get("ADMIN_STATE") == "unmanaged":
            return None
        mac = (files.read(_CLASS / nic / "address") or "").strip()
        return Managed(path, "\n".join([text, *_drop_ins(Path(path).name)]), mac, iaid or _iaid(index.strip()))

    def hold(self, edits: Edits) -> None:
        """Have networkd not make the NICs of our files that go ports again when they leave."""
        nics = networkd.uplinks_of(_gone(edits))
        if nics:
            files.write(_HELD, networkd.released(nics))
            _reload()
        else:
            # A run was killed in between.
            self.release()

    def let_go(self, edits: Edits) -> None:
        """Have networkd forget the bridges of our files that outlive them; else it takes along what it gave them."""
        bridges = [name for name in networkd.bridges_of(_gone(edits)) if (_CLASS / name).exists()]
        if bridges:
            files.write(_LEFT, networkd.forgotten(bridges))
            _reload()
        end = time.monotonic() + _PATIENCE
        while held := [name for name in bridges if networkd.is_native(_state(name).get("NETWORK_FILE", ""))]:
            if time.monotonic() > end:
                raise HostError(f"systemd-networkd did not let go of bridge '{held[0]}' within {_PATIENCE} s")
            # It tells nobody but by D-Bus, which a host need not have.
            time.sleep(0.05)

    def reload(self, edits: Edits) -> None:
        if _leave() or edits:
            _reload()

    reverted = reload

    def release(self) -> None:
        self.reload({})

    def told(self, saved: Any) -> None:
        # There are files for udev too, also where another manager has the host.
        if _runs():
            _reload()

    def at_work(self) -> bool:
        """Whether it is still busy with an interface of this host that has a carrier; on others it waits for one."""
        states = [_state(path.name) for path in _CLASS.iterdir()]
        return any(
            state.get("ADMIN_STATE") in ("pending", "initialized", "configuring")
            and state.get("OPER_STATE") not in ("missing", "off", "no-carrier", "dormant")
            for state in states
        )


def _runs() -> bool:
    return attempt(["systemctl", "is-active", "--quiet", "systemd-networkd.service"]).code == 0


def _gone(edits: Edits) -> list[str]:
    return [before for before, after in edits.values() if before is not None and after is None]


def _reload() -> None:
    # networkctl needs D-Bus, which a small host may not have.
    if attempt(["networkctl", "reload"]).code:
        run(["systemctl", "restart", "systemd-networkd.service"])


def _leave() -> bool:
    """End `hold` and `let_go`, as of the next reload. Tells whether there was anything to do."""
    found = [path for path in (_HELD, _LEFT) if path.exists()]
    for path in found:
        files.remove(path)
    return bool(found)


def _state(name: str) -> dict[str, str]:
    index = (files.read(_CLASS / name / "ifindex") or "").strip()
    return _values(files.read(_LINKS / index) or "") if index else {}


def _drop_ins(name: str) -> list[str]:
    found: dict[str, Path] = {}
    for folder in _FOLDERS:
        for path in Path(folder, "systemd/network", f"{name}.d").glob("*.conf"):
            found.setdefault(path.name, path)
    return [text for name in sorted(found) if (text := files.read(found[name]))]


def _iaid(index: str) -> int | None:
    """Of a client that names itself by RFC 4361: the byte 255, its IAID, its DUID."""
    client = _values(files.read(_LEASES / index) or "").get("CLIENTID", "")
    return int(client[2:10], 16) if re.fullmatch("ff[0-9a-f]{8,}", client) else None


def _values(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line and line[0] != "#")
