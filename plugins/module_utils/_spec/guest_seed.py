# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The seed that cloud-init reads: its NoCloud data source, files on a disk with the label ``cidata``. Pure."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from . import guest_paths as paths
from .base import SpecError

SEED_OPTIONS = {
    "user_data": {"type": "raw"},
    "network_config": {"type": "raw"},
    "hostname": {"type": "str"},
    "ssh_keys": {"type": "list", "elements": "str", "no_log": False},
    "instance_id": {"type": "str"},
}

LABEL = "cidata"


@dataclass(frozen=True)
class Seed:
    """``digest`` tells one content from another; ``files`` are known only where the seed was just asked for."""

    digest: str
    files: tuple[tuple[str, str], ...] = field(default=(), compare=False, repr=False)

    def path(self, guest: str) -> str:
        """A changed seed is another file, so the one that a running guest reads is never touched."""
        return paths.data(guest, f"seed-{self.digest}.iso")


def parse_seed(entry: dict[str, Any] | None, guest: str) -> Seed | None:
    """An entry without any value asks for no seed: that is `NO_SEED`."""
    if entry is None:
        return None
    if not any(entry.values()):
        return NO_SEED
    for key in entry["ssh_keys"] or ():
        if len(key.split()) < 2 or "\n" in key.strip():
            raise SpecError(f"seed.ssh_keys: '{key}' is not a public key such as 'ssh-ed25519 AAAA… name'")
    meta_data = {"instance-id": entry["instance_id"] or guest, "local-hostname": entry["hostname"] or guest}
    if entry["ssh_keys"]:
        meta_data["public-keys"] = [key.strip() for key in entry["ssh_keys"]]
    files = {
        "meta-data": _yaml("seed.meta_data", meta_data),
        "user-data": _user_data(entry["user_data"]),
    }
    if entry["network_config"]:
        files["network-config"] = _yaml("seed.network_config", entry["network_config"])
    digest = hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()[:12]
    return Seed(digest, tuple(files.items()))


#: The opposite of a seed, which is something else than to leave the seed alone.
NO_SEED = Seed("")


def _user_data(value: Any) -> str:
    if isinstance(value, str):
        return value if value.endswith("\n") else f"{value}\n"
    return "#cloud-config\n" + _yaml("seed.user_data", value or {})


def _yaml(option: str, value: Any) -> str:
    """JSON is YAML too, and needs no library."""
    if isinstance(value, str):
        return value if value.endswith("\n") else f"{value}\n"
    if not isinstance(value, dict):
        raise SpecError(f"{option}: it is a {type(value).__name__}; give a mapping, or the text of the file")
    return json.dumps(value, indent=2) + "\n"
