# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What goes into the micro guest: its packages, its kernel modules, the record of what it was built from. Pure."""

from __future__ import annotations

import hashlib
import json
import re
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .base import SpecError, control

#: Raised when the same packages and options would give another image, for a reason outside `_persist.micro_guest`.
LAYOUT = 1

#: The kernel packages of Debian's amd64 that the guest can be built from.
FLAVOURS = {"amd64": "linux-image-amd64", "cloud-amd64": "linux-image-cloud-amd64"}
USERLAND = ("busybox-static", "qemu-guest-agent")

#: NIC models of QEMU, the agent's port, entropy, virtio disks, ISO 9660, and the power button. What a flavour's
#: kernel has built in, or does not have at all (cloud-amd64 has only virtio), is left out. SATA is not among them:
#: every q35 machine has a controller, and to probe its empty ports takes as long as all the rest.
MODULES = (
    "virtio_pci", "virtio_net", "virtio_console", "virtio_blk", "virtio_rng",
    "e1000", "e1000e", "igb", "igbvf", "8139cp",
    "isofs", "button", "evdev",
)  # fmt: skip


@dataclass(frozen=True)
class MicroGuest:
    """The module's options; `flavour` and `modules` decide what the image is."""

    dest: str
    flavour: str = "amd64"
    modules: tuple[str, ...] = ()
    state: str = control("present")
    force: bool = control(False)
    update_cache: bool = control(False)

    @classmethod
    def parse(cls, params: Mapping[str, Any]) -> MicroGuest:
        dest = params["dest"]
        if not dest.startswith("/") or dest.rstrip("/") == "":
            raise SpecError(f"dest: '{dest}' is not an absolute path of a directory for the image")
        modules = [name.replace("-", "_") for name in params["modules"]]
        for name in modules:
            if not re.fullmatch(r"\w+", name, re.ASCII):
                raise SpecError(f"modules: '{name}' is not the name of a kernel module; write it as in 'vmxnet3'")
        steering = {name: params[name] for name in ("state", "force", "update_cache")}
        return cls(dest.rstrip("/"), params["flavour"], tuple(sorted(set(modules) - set(MODULES))), **steering)

    def inputs(self, content: Mapping[str, Any]) -> dict[str, Any]:
        """What the image depends on (`content`: the guest's own files), besides the versions of the packages."""
        recipe = json.dumps([LAYOUT, MODULES, content], sort_keys=True)
        return {
            "flavour": self.flavour,
            "modules": list(self.modules),
            "recipe": hashlib.sha256(recipe.encode()).hexdigest()[:16],
        }


def parse_stanzas(text: str) -> dict[str, dict[str, str]]:
    """The output of ``apt-cache show`` (deb822(5)), by package; continuation lines are dropped."""
    packages = {}
    for block in re.split(r"\n\s*\n", text):
        pairs = (line.partition(":") for line in block.splitlines() if line[:1] not in (" ", "\t"))
        stanza = {name: value.strip() for name, colon, value in pairs if colon}
        if "Package" in stanza:
            packages[stanza["Package"]] = stanza
    return packages


def dependencies(stanza: Mapping[str, str]) -> list[str]:
    """The names in Depends and Pre-Depends, of alternatives the first (deb-control(5))."""
    text = ",".join(stanza[f] for f in ("Pre-Depends", "Depends") if f in stanza)
    names = (re.split(r"[\s:(|]", item.strip(), maxsplit=1)[0] for item in text.split(","))
    return [name for name in names if name]


def is_shared_library(stanza: Mapping[str, str]) -> bool:
    """Debian's multiarch specification: packages of shared libraries are co-installable, programs are not."""
    return stanza.get("Multi-Arch") == "same"


def kernel_package(stanza: Mapping[str, str]) -> str:
    """The package with the kernel itself, of the stanza of linux-image-FLAVOUR."""
    for name in dependencies(stanza):
        if re.match(r"linux-image-\d", name):
            return name
    raise SpecError(f"flavour: the package {stanza['Package']} names no kernel package in its dependencies")


def kernel_release(packages: Iterable[str]) -> str:
    """The release, as uname(1) has it, of the kernel package among `packages`."""
    prefix = "linux-image-"
    return next(name[len(prefix) :] for name in packages if name.startswith(prefix))


@dataclass(frozen=True)
class KernelModule:
    """One module: its path below lib/modules/RELEASE (without a compression suffix), and what modinfo(8) tells."""

    path: str
    depends: tuple[str, ...]
    aliases: tuple[str, ...]

    @classmethod
    def read(cls, path: str, data: bytes) -> KernelModule:
        info = modinfo(data)
        depends = (name for text in info.get("depends", ()) for name in text.split(",") if name)
        return cls(path, tuple(module_name(d) for d in depends), tuple(info.get("alias", ())))


def module_name(path: str) -> str:
    """The kernel's own name of a module: of the file name, '-' is '_' to it."""
    return path.rpartition("/")[2].partition(".")[0].replace("-", "_")


def modinfo(data: bytes) -> dict[str, list[str]]:
    """The ``key=value`` strings of a module's .modinfo section (elf(5), 64 bit, little endian)."""
    (table,) = struct.unpack_from("<Q", data, 0x28)
    size, count, names_index = struct.unpack_from("<HHH", data, 0x3A)
    sections = []
    for index in range(count):
        (name,) = struct.unpack_from("<I", data, table + index * size)
        sections.append((name, *struct.unpack_from("<QQ", data, table + index * size + 0x18)))
    names = sections[names_index][1]
    found: dict[str, list[str]] = {}
    for name, offset, length in sections:
        if not data.startswith(b".modinfo\0", names + name):
            continue
        for pair in data[offset : offset + length].split(b"\0"):
            key, equals, value = pair.decode("utf-8", "replace").partition("=")
            if equals:
                found.setdefault(key, []).append(value)
    return found


def module_closure(
    wanted: Iterable[str], required: Iterable[str], available: Mapping[str, KernelModule], builtin: Iterable[str]
) -> list[KernelModule]:
    """`wanted` as far as this kernel has them, `required`, and what they need; each after what it needs."""
    ordered: dict[str, KernelModule] = {}
    for name in (*wanted, *required):
        if name in available:
            _add_module(name, available, ordered)
        elif name in required and name not in builtin:
            raise SpecError(f"modules: this kernel has no module '{name}'; take another flavour or leave it out")
    return list(ordered.values())


def _add_module(name: str, available: Mapping[str, KernelModule], ordered: dict[str, KernelModule]) -> None:
    """Add a module to `ordered`, after what it needs; that is never built in, depmod(8) lists modules only."""
    if name in ordered:
        return
    if name not in available:
        raise SpecError(f"modules: another module needs '{name}', which is not in the kernel package")
    for needed in available[name].depends:
        _add_module(needed, available, ordered)
    ordered[name] = available[name]


def modules_dep(modules: Iterable[KernelModule]) -> str:
    """modules.dep as modprobe reads it (modules.dep(5)): the nearest dependency first."""
    modules = list(modules)
    by_name = {module_name(m.path): m for m in modules}

    def needs(module: KernelModule) -> list[str]:
        paths: list[str] = []
        for name in module.depends:
            if name in by_name:
                paths += [by_name[name].path, *needs(by_name[name])]
        return list(dict.fromkeys(reversed(paths)))[::-1]

    return "".join(f"{m.path}:{''.join(' ' + p for p in needs(m))}\n" for m in modules)


def modules_alias(modules: Iterable[KernelModule]) -> str:
    """modules.alias: which device (by its modalias) wants which module."""
    return "".join(f"alias {alias} {module_name(m.path)}\n" for m in modules for alias in m.aliases)


def parse_loader_list(text: str) -> dict[str, str]:
    """The output of ``ld.so --list PROGRAM`` (ld.so(8)): library -> the file found; '' where none was."""
    found = {}
    for line in text.splitlines():
        name, arrow, path = line.strip().partition(" => ")
        if arrow:
            found[name] = "" if path == "not found" else path.rpartition(" (")[0]
    return found
