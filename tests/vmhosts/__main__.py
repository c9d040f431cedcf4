# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What VM hosts need of this machine: ``python -m tests.vmhosts --help``."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from tests.sandbox.initprocess import SandboxError

from .image import built
from .lan import VmLan

#: The folders of guests: one that boots fast, and one with drivers for real NICs.
GUESTS = ("micro", "micro-nics")


def up(arguments: argparse.Namespace) -> None:
    lan = VmLan(arguments.images.parent / "packages")
    guests = [arguments.images / name for name in GUESTS]
    disk = built(arguments.images / "vmhosts", arguments.suite, guests)
    if not lan.running:
        lan.start()
        print("started")
    print(disk)


def down(_arguments: argparse.Namespace) -> None:
    VmLan().stop()


def connect(arguments: argparse.Namespace) -> None:
    source = f",bind={arguments.source}" if arguments.source else ""
    command = [*VmLan().enter("net"), "socat", "STDIO", f"TCP:{arguments.address}:{arguments.port}{source}"]
    os.execvp(command[0], command)


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m tests.vmhosts", description=__doc__)
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("up", help="build a disk if need be, start the LAN; prints the disk's folder")
    command.add_argument("images", type=Path, help="folder with the micro guests, and where the disk is kept")
    command.add_argument("suite", help="of Debian, as trixie")
    command.set_defaults(call=up)

    command = commands.add_parser("down", help="end the LAN and all VM hosts in it")
    command.set_defaults(call=down)

    command = commands.add_parser("connect", help="join standard input and output to a TCP port in the LAN")
    command.add_argument("address")
    command.add_argument("port", type=int)
    command.add_argument("--source", help="address of the LAN's router to connect from")
    command.set_defaults(call=connect)
    return top


if __name__ == "__main__":
    given = parser().parse_args()
    try:
        given.call(given)
    except SandboxError as error:
        sys.exit(f"error: {error}")
