# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Python that has imported what modules import, and forks itself for each: ``python3 warm.py SOCKET``.

The import is nine tenths of a short module's time. The program `warm-python` stands for Python on hosts of tests: it
connects to the socket, and reads the status to exit with. What it has on its standard input is run here with its
descriptors, its environment, its working directory and its namespaces, and is killed when that program is. Archives
are kept beside the socket.

A module comes with an archive of all that it imports. What was imported from an earlier archive is used again as long
as the new one has the same of each file.
"""

from __future__ import annotations

import base64
import ctypes
import gc
import hashlib
import importlib
import io
import os
import platform
import re
import select
import signal
import socket
import struct
import sys
import types
import zipfile
from contextlib import suppress
from pathlib import Path

ARCHIVE = re.compile(r"zip_data='([A-Za-z0-9+/=]+)'")
#: The packages that come in archives, and the part of each that modules have in common.
ROOTS, SHARED = ("ansible", "ansible_collections"), "module_utils"
#: Of asm-generic/unistd.h; Python has no name for it.
PIDFD_GETFD = 438
#: CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWPID and CLONE_NEWNET of linux/sched.h.
NAMESPACES = 0x20000 | 0x4000000 | 0x20000000 | 0x40000000

libc = ctypes.CDLL(None, use_errno=True)


class Archives:
    """What was imported of archives: the checksum and the size of each file, by the module's name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._imported: dict[str, tuple[int, int]] = {}

    def take(self, content: bytes) -> None:
        """Import what an archive has for more than one module, and have all else found in it."""
        path = self._folder / f"{hashlib.sha256(content).hexdigest()[:16]}.zip"
        if not path.exists():
            path.write_bytes(content)
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            files = {_module(file.filename): (file.CRC, file.file_size) for file in archive.infolist()}
        if any(self._imported.get(name, same) != same for name, same in files.items()):
            self._forget()
        self._turn_to(path)
        for name in files:
            if name not in self._imported and SHARED in name.split("."):
                # Where one cannot be imported, the module says so.
                with suppress(Exception, SystemExit):
                    importlib.import_module(name)
        self._imported.update({name: same for name, same in files.items() if name in sys.modules})

    def _forget(self) -> None:
        self._imported.clear()
        for name in [name for name in sys.modules if name.split(".")[0] in ROOTS]:
            del sys.modules[name]

    def _turn_to(self, path: Path) -> None:
        sys.path[:] = [str(path), *(entry for entry in sys.path if not entry.endswith(".zip"))]
        for name, module in list(sys.modules.items()):
            if name.split(".")[0] in ROOTS and hasattr(module, "__path__"):
                module.__path__ = [f"{path}/{name.replace('.', '/')}"]


def _module(filename: str) -> str:
    return filename.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def main(path: str) -> None:
    archives = Archives(Path(path).parent)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(64)
        print("ready", flush=True)
        while True:
            # Who has ended meanwhile waits for nothing.
            with listener.accept()[0] as client, suppress(ProcessLookupError):
                serve(client, archives)
            with suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG) != (0, 0):
                    pass


def serve(client: socket.socket, archives: Archives) -> None:
    pid = struct.unpack("3i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
    process = os.pidfd_open(pid)
    descriptors = [process, *(taken(process, number) for number in (0, 1, 2))]
    with open(descriptors[1], encoding="utf-8", closefd=False) as file:
        program = file.read()
    found = ARCHIVE.search(program)
    if found:
        archives.take(base64.b64decode(found[1]))
    gc.freeze()
    if os.fork() == 0:
        answer(client, pid, program, descriptors)
    for descriptor in descriptors:
        os.close(descriptor)


def taken(process: int, number: int) -> int:
    """A descriptor of another process, as ours. See pidfd_getfd(2)."""
    descriptor = libc.syscall(PIDFD_GETFD, process, number, 0)
    if descriptor == -1:
        raise ProcessLookupError(number)
    return descriptor


def answer(client: socket.socket, pid: int, program: str, descriptors: list[int]) -> None:
    """Run the program in a process of its own, and tell its exit status."""
    given = Path(f"/proc/{pid}/environ").read_bytes().rstrip(b"\0").split(b"\0")
    folder = os.open(f"/proc/{pid}/cwd", os.O_PATH)
    # That of processes counts for children only.
    if libc.setns(descriptors[0], NAMESPACES) == -1:
        raise OSError(ctypes.get_errno(), "setns")
    child = os.fork()
    if child == 0:
        os.fchdir(folder)
        os.environ.clear()
        os.environb.update(tuple(entry.split(b"=", 1)) for entry in given)
        # It holds the name of the host that the server is on.
        platform._uname_cache = None
        run(program, descriptors[1:])
        sys.exit()
    poll = select.poll()
    poll.register(os.pidfd_open(child), select.POLLIN)
    poll.register(client, 0)
    if any(descriptor == client.fileno() for descriptor, _event in poll.poll()):
        os.kill(child, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with suppress(BrokenPipeError):
        # As a shell says that a signal ended it.
        client.send(b"%d" % (code if code >= 0 else 128 - code))
    os._exit(0)


def run(program: str, descriptors: list[int]) -> None:
    """What Python does with a program on its standard input; what that does not catch ends this process."""
    for standard, descriptor in enumerate(descriptors):
        os.dup2(descriptor, standard)
    os.setsid()
    sys.argv = [""]
    main_module = sys.modules["__main__"] = types.ModuleType("__main__")
    exec(compile(program, "<stdin>", "exec"), main_module.__dict__)


if __name__ == "__main__":
    main(sys.argv[1])
