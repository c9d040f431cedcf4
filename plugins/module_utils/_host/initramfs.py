# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes the micro guest's kernel and initramfs of packages; nothing is installed on this host."""

from __future__ import annotations

import gzip
import lzma
import os
from pathlib import Path
from typing import Any

from .._persist import cpio, micro_guest as guest
from .._spec import micro_guest as spec
from .._spec.base import SpecError
from . import deb
from .command import run
from .errors import HostError

_LIBRARY_FOLDERS = ("lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu", "lib64", "usr/lib64")
_MODULE_READERS = {".ko": bytes, ".ko.xz": lzma.decompress}


def resolve(flavour: str, scratch: Path) -> dict[str, str]:
    """The packages to build from, with the versions apt would take: kernel, busybox, agent and its libraries."""
    machine = deb.architecture()
    if machine != "amd64":
        raise SpecError(f"this host is {machine}; the micro guest is built on and for amd64 (x86-64) only")
    meta = spec.FLAVOURS[flavour]
    stanzas = _lookup([meta, *spec.USERLAND], scratch)
    kernel = spec.kernel_package(stanzas[meta])
    stanzas.update(_lookup([kernel], scratch))
    chosen = {name: stanzas[name]["Version"] for name in (kernel, *spec.USERLAND)}

    level = spec.dependencies(stanzas["qemu-guest-agent"])
    while level:
        found = spec.parse_stanzas(deb.show(level, scratch))
        libraries = {name: s for name, s in found.items() if spec.is_shared_library(s)}
        chosen.update({name: s["Version"] for name, s in libraries.items()})
        level = sorted({d for s in libraries.values() for d in spec.dependencies(s)} - set(chosen))
    return chosen


def _lookup(names: list[str], scratch: Path) -> dict[str, dict[str, str]]:
    stanzas = spec.parse_stanzas(deb.show(names, scratch))
    missing = [name for name in names if name not in stanzas]
    if missing:
        names = ", ".join(missing)
        remedy = "give 'update_cache: true', or add Debian's 'main' to its sources"
        raise HostError(f"apt knows no package {names}: {remedy}")
    return stanzas


def build(wanted: spec.MicroGuest, packages: dict[str, str], work: Path) -> dict[str, bytes]:
    """Fetch `packages` into `work` and make of them the content of the kernel and initramfs files."""
    debs = deb.download(packages, work / "deb")
    kernel = f"linux-image-{spec.kernel_release(packages)}"
    root = work / "root"
    for name, path in debs.items():
        if name != kernel:
            deb.extract(path, root)
    image, modules = _kernel(debs[kernel], wanted.modules)
    archive = cpio.archive({**_userland(root), **_own_files(), **modules})
    return {guest.KERNEL: image, guest.INITRD: gzip.compress(archive, compresslevel=6, mtime=0)}


def _kernel(package: Path, extra: tuple[str, ...]) -> tuple[bytes, dict[str, cpio.Entry]]:
    """The kernel's image, and the modules directory for the guest."""
    image, release, builtin, available = b"", "", [], {}
    with deb.content(package) as files:
        for path, stream in files:
            if path.startswith("boot/vmlinuz-"):
                image, release = stream.read(), path[len("boot/vmlinuz-") :]
            elif path.endswith("/modules.builtin"):
                builtin = [spec.module_name(line) for line in stream.read().decode().split()]
            elif _module_reader(path):
                module = spec.KernelModule.read(_below_release(path), _module_reader(path)(stream.read()))
                available[spec.module_name(path)] = module
    if not image or not available:
        raise HostError(f"{package.name} holds no kernel with modules")

    modules = spec.module_closure(spec.MODULES, extra, available, builtin)
    paths = {module.path for module in modules}
    folder = f"lib/modules/{release}"
    entries = {
        f"{folder}/modules.dep": cpio.regular(spec.modules_dep(modules).encode()),
        f"{folder}/modules.alias": cpio.regular(spec.modules_alias(modules).encode()),
    }
    with deb.content(package) as files:
        for path, stream in files:
            if _module_reader(path) and _below_release(path) in paths:
                entries[f"{folder}/{_below_release(path)}"] = cpio.regular(_module_reader(path)(stream.read()))
    return image, entries


def _module_reader(path: str) -> Any:
    name = path.rpartition("/")[2]
    return _MODULE_READERS.get(name[name.find(".") :]) if "/modules/" in path else None


def _below_release(path: str) -> str:
    """usr/lib/modules/RELEASE/kernel/x.ko.xz -> kernel/x.ko (in the guest, modules are not compressed one by one)."""
    below = path.partition("/modules/")[2].partition("/")[2]
    return below[: below.rfind(".ko") + len(".ko")]


def _userland(root: Path) -> dict[str, cpio.Entry]:
    """busybox with its applets, and the agent with its libraries, out of the unpacked packages."""
    busybox = _find(root, "busybox")
    entries = {"bin/busybox": cpio.regular(busybox.read_bytes(), 0o755)}
    for applet in run([str(busybox), "--list-full"]).split():
        if applet != "bin/busybox":
            entries[applet] = cpio.symlink("/bin/busybox")

    agent, loader = _find(root, "qemu-ga"), _find(root, "ld-linux-x86-64.so.2")
    folders = ":".join(str(root / folder) for folder in _LIBRARY_FOLDERS)
    listing = run([str(loader), "--inhibit-cache", "--library-path", folders, "--list", str(agent)])
    entries["usr/sbin/qemu-ga"] = cpio.regular(agent.read_bytes(), 0o755)
    entries["lib64/ld-linux-x86-64.so.2"] = cpio.regular(loader.read_bytes(), 0o755)
    for library, path in spec.parse_loader_list(listing).items():
        if library.startswith("/"):
            continue
        # The loader also looks where this host has its own libraries; those are not for the guest.
        if not path.startswith(f"{root}/"):
            raise HostError(f"qemu-guest-agent needs {library}, which none of its packages holds")
        entries[f"lib/{library}"] = cpio.regular(Path(path).read_bytes(), 0o755)
    return entries


def _find(root: Path, name: str) -> Path:
    for path in sorted(root.rglob(name)):
        if path.is_file() and os.access(path, os.X_OK):
            return path.resolve()
    raise HostError(f"the packages hold no program '{name}'")


def _own_files() -> dict[str, cpio.Entry]:
    entries = {path: cpio.directory() for path in guest.DIRECTORIES}
    entries.update({path: cpio.symlink(target) for path, target in guest.LINKS.items()})
    entries.update({path: cpio.regular(text.encode(), mode) for path, (mode, text) in guest.FILES.items()})
    # The kernel opens it as init's standard input and output before anything is mounted.
    entries["dev/console"] = cpio.character_device(5, 1)
    return entries
