# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The restore program as one file of its own, so that it needs nothing that a later task may remove."""

from __future__ import annotations

import importlib.util
import io
import marshal
import os
import sys
import zipfile

from . import checkpoint_restore, checkpoint_store as store, files
from .command import attempt
from .errors import HostError

_PACKAGE = "virtnet_checkpoint"
_LAYERS = ("_host", "_persist", "_spec")
_MAIN = f"""\
import sys

from {_PACKAGE}._host.checkpoint_restore import main

main(sys.argv[1:])
"""
_SYSTEM = "/usr/bin/python3"
_IS_NEW_ENOUGH = "import sys; sys.exit(sys.version_info < (3, 9))"


def argv() -> list[str]:
    """How it is run: by the system's Python, which outlives virtual environments."""
    usable = os.path.exists(_SYSTEM) and attempt([_SYSTEM, "-I", "-c", _IS_NEW_ENOUGH]).code == 0
    return [_SYSTEM if usable else sys.executable, "-I", str(store.PROGRAM)]


def install() -> None:
    files.replace(store.PROGRAM, _archive(), 0o600, None)
    done = attempt([*argv(), "check"])
    if done.code:
        raise HostError(f"the program that would restore the host does not run here: {done.errors}")


def _archive() -> bytes:
    """All of ours that is loaded, which is what it imports and more."""
    root = checkpoint_restore.__name__.rpartition("._host.")[0]
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("__main__.py", _MAIN)
        for package in (_PACKAGE, *(f"{_PACKAGE}/{layer}" for layer in _LAYERS)):
            archive.writestr(f"{package}/__init__.py", "")
        for name, module in sorted(sys.modules.items()):
            layer, _dot, rest = name[len(root) + 1 :].partition(".")
            if name.startswith(f"{root}.") and layer in _LAYERS and rest:
                path = f"{_PACKAGE}/{layer}/{rest}.py"
                source = module.__spec__.loader.get_source(name)
                archive.writestr(path, source)
                archive.writestr(f"{path}c", _bytecode(source, path))
    return data.getvalue()


def _bytecode(source: str, path: str) -> bytes:
    """It spares a slow host the time to compile. Another Python passes over it: PEP 552, unchecked hash."""
    unchecked = (1).to_bytes(4, "little")
    code = compile(source, path, "exec", dont_inherit=True)
    digest = importlib.util.source_hash(source.encode())
    return importlib.util.MAGIC_NUMBER + unchecked + digest + marshal.dumps(code)
