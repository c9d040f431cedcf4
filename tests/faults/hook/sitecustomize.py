# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Counts the steps by which Python programs change the host they run on, and interrupts them before one.

A step is a file made, replaced, written out to the disk or removed, a kernel parameter written, a netlink message that
changes something, a program that is started. Python imports this file by itself. It does nothing without /run/steps:

    log     gets a line for each step that is about to be made
    stop    'kill N': the program is killed before step N
            'hold N OUT IN': before step N it writes a line to OUT and waits for a byte from IN; N is 0 for all of them
    held    the process that waits, or did last
"""

import os
import sys

FOLDER = "/run/steps"
#: Where a step changes what outlives its program. A lock is nothing of that kind.
WATCHED = ("/etc/", "/run/virtnet", "/run/systemd", "/var/lib/virtnet", "/proc/sys/")
LOCKS = ("/run/virtnet/lock", "/var/lib/virtnet/checkpoint/busy")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
PATHS = (str, bytes, os.PathLike)
FILES = frozenset(f"os.{name}" for name in ("rename", "remove", "mkdir", "rmdir", "symlink", "link"))
#: What only looks, by the beginning of a program's name, and words of its command line.
ONLY_LOOKING = ("file", "lsb_release", "uname", "capsh", "getent", "iptables-save", "ip6tables-save")
LOOKING = (
    (("ip", "tc", "bridge"), ("show", "list", "get", "-j")),
    (("nft",), ("list", "--version")),
    (("iptables", "ip6tables"), ("--version", "-S", "--list")),
    (("systemctl",), ("is-active", "is-enabled", "list-units", "list-unit-files", "show", "cat", "is-system-running")),
    (("networkctl",), ("status", "list")),
    (("nmcli",), ("show", "status", "general", "--version")),
    (("python",), ("check", "-c")),
)
NETLINK_GET, NETLINK_DUMP = 2, 0x300


def stepped(event, arguments):
    """What the event of an audit hook is, in words; None when it is no step."""
    if event == "open":
        path, _mode, flags = arguments
        return f"write {path}" if _watched(path) and (flags or 0) & WRITING else None
    if event in FILES:
        return _filed(event[3:], [os.fsdecode(path) for path in arguments if isinstance(path, PATHS)])
    if event == "subprocess.Popen":
        words = [os.fsdecode(word) for word in arguments[1]]
        return None if _looks(words) else f"run {' '.join(words)}"
    return None


def _filed(what, paths):
    # What is removed with a whole folder has no path.
    relative = paths and not paths[0].startswith(("/", "ansible_"))
    if not relative and not any(map(_watched, paths)):
        return None
    absent = not relative and not os.path.lexists(paths[0])
    idle = (what in ("remove", "rmdir") and absent) or (what == "mkdir" and not absent)
    return None if idle else " ".join([what, *paths])


def _watched(path):
    if not isinstance(path, PATHS):
        return False
    text = os.fsdecode(path)
    return text.startswith(WATCHED) and text not in LOCKS


def _looks(words):
    program = os.path.basename(words[0])
    if program in ONLY_LOOKING:
        return True
    return any(program.startswith(names) and set(signs) & set(words) for names, signs in LOOKING)


def message(data):
    """What a netlink message is; None when it changes nothing."""
    kind, flags = (int.from_bytes(data[at : at + 2], sys.byteorder) for at in (4, 6))
    if kind < 16 or flags & NETLINK_DUMP or (kind % 4 == NETLINK_GET and kind < 0x100):
        return None
    return f"netlink {kind} {flags:#x}"


class Stepper:
    """Counts over all processes of the host: the lines of a file."""

    def __init__(self):
        self._busy = False

    def __call__(self, event, arguments):
        if self._busy or event not in EVENTS:
            return
        self.about_to(stepped(event, arguments))

    def about_to(self, what):
        if what is None or self._busy or not os.path.isdir(FOLDER):
            return
        self._busy = True
        try:
            with open(f"{FOLDER}/log", "a+", encoding="utf-8") as log:
                log.write(f"{what}\n")
                log.flush()
                log.seek(0)
                count = sum(1 for _line in log)
            with open(f"{FOLDER}/stop", encoding="utf-8") as order:
                how, number, *ways = order.read().split()
            if int(number) in (0, count):
                interrupt(how, what, ways)
        finally:
            self._busy = False


EVENTS = FILES | {"open", "subprocess.Popen"}


def interrupt(how, what, ways):
    if how == "kill":
        os.kill(os.getpid(), 9)
    elif how == "hold":
        out, back = ways
        with open(f"{FOLDER}/held", "w", encoding="ascii") as held:
            held.write(str(os.getpid()))
        # One that is both, such as a virtual machine's port, is to be open all the time.
        with open(out, "r+b" if out == back else "wb", buffering=0) as said:
            said.write(f"{what}\n".encode())
            if out == back:
                said.read(1)
        if out != back:
            with open(back, "rb") as answer:
                answer.read(1)


def watch():
    import socket

    step = Stepper()

    def before(call, what):
        def wrapped(*arguments, **options):
            step.about_to(what(*arguments))
            return call(*arguments, **options)

        return wrapped

    def sent(line, data, *_more):
        netlink = line.family == socket.AF_NETLINK and line.proto == socket.NETLINK_ROUTE
        return message(bytes(data)) if netlink else None

    def synced(handle):
        return f"fsync {os.readlink(f'/proc/self/fd/{handle}')}"

    for name in ("send", "sendto", "sendall"):
        setattr(socket.socket, name, before(getattr(socket.socket, name), sent))
    os.fsync = before(os.fsync, synced)
    sys.addaudithook(step)


def next_one():
    """The file of this name that Python would have taken without this one."""
    here = os.path.dirname(os.path.abspath(__file__))
    for folder in sys.path:
        path = os.path.join(folder, "sitecustomize.py")
        if os.path.abspath(folder) != here and os.path.isfile(path):
            with open(path, encoding="utf-8") as file:
                exec(compile(file.read(), path, "exec"), {"__name__": "sitecustomize", "__file__": path})
            return


if os.path.isdir(FOLDER):
    watch()
if __name__ == "sitecustomize":
    next_one()
