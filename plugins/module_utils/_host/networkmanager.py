# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What NetworkManager does with this host's interfaces.

It takes an interface as it is only when it starts, and only by the profile that it noted for it before: whatever else
one tells it, it flushes the interface first. So it is stopped before the network is changed, and finds our profiles, or
those of before, noted when it is started again. An interface keeps all that it has meanwhile.
"""

from __future__ import annotations

import ipaddress
import json
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from .._persist import keyfile, networkmanager
from .._persist.networkmanager import Managed
from . import files
from .command import attempt, run
from .errors import HostError
from .manager import Edits, Manager

_UNIT = "NetworkManager.service"
_CLASS = Path("/sys/class/net")
#: What NetworkManager notes of each interface, by its index.
_NOTES = Path("/run/NetworkManager/devices")
#: Where profiles are; one hides those of the same UUID in folders after it.
_FOLDERS = ("/run/NetworkManager/system-connections", keyfile.FOLDER, "/usr/lib/NetworkManager/system-connections")
#: The interfaces of a run, with the profile of before; as long as NetworkManager is stopped for it.
_HELD = Path("/run/virtnet/networkmanager.json")
#: A transient timer, which starts NetworkManager again when a run is killed.
_BACK = "virtnet-networkmanager"
_BACK_AFTER = 120
#: Seconds that NetworkManager has to take its interfaces.
_PATIENCE = 30


class NetworkManager(Manager):
    files = networkmanager
    folders = (keyfile.FOLDER, "/etc/NetworkManager/conf.d")

    def mode(self, path: str) -> int:
        # It takes no profile that others can read.
        return 0o600 if path.startswith(keyfile.FOLDER) else super().mode(path)

    def observe(self) -> dict[str, str]:
        paths = sorted(path for folder in networkmanager.FOLDERS for path in map(str, Path(folder).glob("*")))
        found = {path: files.read(Path(path)) for path in paths if networkmanager.is_native(path)}
        return {path: text for path, text in found.items() if text is not None}

    def managed(self, nic: str, bridge: str, there: Mapping[str, str]) -> Managed | None:
        """Its own notes are read, and not it itself is asked: it is stopped when this is asked for the second time."""
        notes = _notes(nic)
        if notes.get("device", {}).get("managed") != "true" or not (_HELD.exists() or _running()):
            return None
        mac = (files.read(_CLASS / nic / "address") or "").strip()
        before = networkmanager.earlier(nic, mac, there)
        if before:
            return replace(before, text=_profile(before.origin) or before.text)
        origin = notes["device"].get("connection-uuid", "")
        text = _profile(origin) if origin else ""
        if text is None:
            raise HostError(
                f"uplink: NetworkManager configures '{nic}' by a profile that is in none of its files, so nothing can "
                "be written for the bridge; save that profile first ('nmcli connection modify'), or say 'persist: none'"
            )
        if not origin and not _HELD.exists() and _state(nic) in ("connecting", "deactivating"):
            raise HostError(f"uplink: NetworkManager is busy with '{nic}'; run this again when it has come to an end")
        if keyfile.parse(text).get(".nmmeta", {}).get("external") == "true":
            # Somebody else configured it, and NetworkManager looks on.
            return None
        return Managed(
            mac,
            origin=origin,
            text=text,
            metric=notes["device"].get("route-metric-default-effective", "100") if origin else "",
            client_id=notes.get("dhcp4", {}).get("dhcp4.dhcp_client_identifier", ""),
            duid=notes.get("dhcp6", {}).get("dhcp6.dhcp6_client_id", ""),
            iaid=notes.get("dhcp6", {}).get("dhcp6.iaid", ""),
            token=_token(nic, mac, text),
        )

    def hold(self, edits: Edits) -> None:
        if not edits:
            self.release()
            return
        texts = [text for sides in edits.values() for text in sides if text is not None]
        held = {**dict.fromkeys(networkmanager.identities(texts), ""), **networkmanager.origins(texts)}
        files.write(_HELD, json.dumps({**held, **(_held() or {})}))
        _stop()

    def reload(self, edits: Edits) -> None:
        if edits:
            self._start()

    def reverted(self, edits: Edits) -> None:
        if edits:
            _stop()

    def release(self) -> None:
        if _HELD.exists():
            self._start()

    def _start(self) -> None:
        """Have it take the interfaces by our profiles, or else by those of before."""
        profiles = {**(_held() or {}), **networkmanager.identities(self.observe().values())}
        _start(profiles)
        files.remove(_HELD)

    # -- checkpoints -----------------------------------------------------------------------------

    def saved(self) -> dict[str, str] | None:
        """The profile of each interface that it configures; ``None`` where it does not run."""
        return _profiles() if _running() else None

    def told(self, saved: Any) -> None:
        if saved is not None:
            _stop()

    def at_work(self) -> bool:
        return _running() and any(state in ("connecting", "deactivating") for state in _states().values())

    def brought_back(self, saved: Any) -> list[str]:
        if saved is None or (_running() and _profiles() == saved):
            return []
        _stop()
        _start({**dict.fromkeys(_profiles(), ""), **saved})
        return [f"systemctl restart {_UNIT}"]


# -- NetworkManager itself -----------------------------------------------------------------------


def _running() -> bool:
    return _NOTES.is_dir() and attempt(["systemctl", "is-active", "--quiet", _UNIT]).code == 0


def _stop() -> None:
    attempt(["systemctl", "stop", f"{_BACK}.timer"])
    back = ["systemd-run", "--quiet", f"--unit={_BACK}", f"--on-active={_BACK_AFTER}"]
    run([*back, "--", "systemctl", "start", _UNIT])
    run(["systemctl", "stop", _UNIT])


def _start(profiles: Mapping[str, str]) -> None:
    """`profiles`: by interface, "" for one that is to have none."""
    there = {name: origin for name, origin in profiles.items() if (_CLASS / name).exists()}
    # A port of somebody else's bridge is no business of its.
    others = [name for name in there if (bridge := _bridge_of(name)) and not profiles.get(bridge)]
    for name, origin in there.items():
        _note(name, origin, name not in others)
    run(["systemctl", "start", _UNIT])
    attempt(["systemctl", "stop", f"{_BACK}.timer"])
    _await({name: origin for name, origin in there.items() if origin and name not in others})


def _await(profiles: Mapping[str, str]) -> None:
    end = time.monotonic() + _PATIENCE
    while left := [name for name, origin in profiles.items() if _taken().get(name) != origin]:
        if time.monotonic() > end:
            raise HostError(f"NetworkManager did not take '{left[0]}' as it is; 'journalctl -u {_UNIT}' may say why")
        # `nmcli monitor` does not say when it has begun to listen.
        time.sleep(0.1)


def _taken() -> dict[str, str]:
    """The profile that each interface has by now."""
    return {name: identity for name, _state, identity in _devices()}


def _states() -> dict[str, str]:
    return {name: state.partition(" ")[0] for name, state, _identity in _devices()}


def _state(name: str) -> str | None:
    return _states().get(name)


def _devices() -> list[list[str]]:
    lines = attempt(["nmcli", "--terse", "--escape", "no", "--fields", "DEVICE,STATE,CON-UUID", "device"]).output
    # Names of interfaces have no colon for NetworkManager, nor have states and UUIDs.
    return [words for line in lines.splitlines() if len(words := line.split(":")) == 3]


# -- what it noted -------------------------------------------------------------------------------


def _held() -> dict[str, str] | None:
    text = files.read(_HELD)
    return None if text is None else json.loads(text)


def _notes(name: str) -> keyfile.Profile:
    index = (files.read(_CLASS / name / "ifindex") or "").strip()
    return keyfile.parse(files.read(_NOTES / index) or "") if index else {}


def _note(name: str, origin: str, is_managed: bool) -> None:
    index = (files.read(_CLASS / name / "ifindex") or "").strip()
    device = {**_notes(name).get("device", {}), "managed": str(is_managed).lower(), "nm-owned": "false"}
    device.pop("connection-uuid", None)
    if origin:
        device["connection-uuid"] = origin
    files.write(_NOTES / index, keyfile.written([("device", device)]).lstrip())


def _profiles() -> dict[str, str]:
    """The profile of each interface that somebody wrote, or that it made to have one."""
    noted = {path.name: _notes(path.name).get("device", {}).get("connection-uuid", "") for path in _CLASS.iterdir()}
    return {name: origin for name, origin in noted.items() if origin and not _is_external(origin)}


def _is_external(origin: str) -> bool:
    text = _profile(origin)
    return text is None or keyfile.parse(text).get(".nmmeta", {}).get("external") == "true"


def _profile(identity: str) -> str | None:
    """The text of the profile of that UUID."""
    for path in (path for folder in _FOLDERS for path in sorted(Path(folder).glob("*"))):
        # It takes no others either, such as half-written ones.
        if path.is_file() and not path.name.startswith(".") and not path.name.endswith(("~", ".nmmeta")):
            with suppress(OSError, UnicodeDecodeError):
                text = path.read_text(encoding="utf-8")
                if keyfile.identity(str(path), keyfile.parse(text)) == identity:
                    return text
    return None


def _token(nic: str, mac: str, text: str) -> str:
    """The part of its IPv6 addresses that NetworkManager chose itself; "" when it is made of the MAC address."""
    listed = networkmanager.addresses(text)
    found = [address for address in _addresses([nic, _bridge_of(nic)]) if address not in listed]
    hosts = [int(address) & (2**64 - 1) for address in found]
    return str(ipaddress.IPv6Address(hosts[0])) if hosts and hosts[0] != _eui64(mac) else ""


def _addresses(names: Iterable[str | None]) -> list[ipaddress.IPv6Address]:
    """Those that may be made of a router's prefix, and that others may know; what surely is comes first."""
    links = json.loads(attempt(["ip", "-6", "-j", "address", "show", "scope", "global"]).output or "[]")
    infos = [info for link in links if link.get("ifname") in names for info in link["addr_info"]]
    kept = [info for info in infos if info.get("prefixlen") == 64 and not info.get("temporary")]
    return [ipaddress.IPv6Address(info["local"]) for info in sorted(kept, key=lambda info: not info.get("dynamic"))]


def _bridge_of(nic: str) -> str | None:
    path = _CLASS / nic / "master"
    return path.resolve().name if path.exists() else None


def _eui64(mac: str) -> int:
    octets = bytes.fromhex(mac.replace(":", ""))
    return int.from_bytes(bytes([octets[0] ^ 2]) + octets[1:3] + b"\xff\xfe" + octets[3:], "big")
