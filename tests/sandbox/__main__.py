# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sandbox hosts from the command line: ``python -m tests.sandbox --help``."""

from __future__ import annotations

import argparse
import json
import os
import sys

from .host import Sandbox, running_names
from .initprocess import SandboxError
from .lan import LanHost


def up(arguments: argparse.Namespace) -> None:
    host = Sandbox(arguments.name, detached=True)
    if not host.running:
        host.start()
    if arguments.lan is None:
        return
    lan = LanHost(arguments.lan, detached=True)
    if not lan.running:
        lan.start()
    if host.run(["ip", "link", "show", "uplink0"], check=False).returncode != 0:
        lan.connect(host)


def down(arguments: argparse.Namespace) -> None:
    for name in arguments.names:
        Sandbox(name).stop()


def execute(arguments: argparse.Namespace) -> None:
    command = Sandbox(arguments.name).enter() + arguments.command
    os.execvp(command[0], command)


def show(_arguments: argparse.Namespace) -> None:
    for name in running_names():
        print(name)


def snapshot(arguments: argparse.Namespace) -> None:
    print(json.dumps(Sandbox(arguments.name).snapshot(), indent=2, sort_keys=True))


def requests(arguments: argparse.Namespace) -> None:
    for request in LanHost(arguments.name).requests():
        print(request["client"], request["path"])


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m tests.sandbox", description=__doc__)
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("up", help="start a host, and the LAN it is plugged into; it may run already")
    command.add_argument("name")
    command.add_argument("--lan", metavar="NAME", help="also start this LAN and connect the host to it")
    command.set_defaults(call=up)

    command = commands.add_parser("down", help="end hosts and all that runs in them")
    command.add_argument("names", nargs="+", metavar="name")
    command.set_defaults(call=down)

    command = commands.add_parser("exec", help="run a command inside")
    command.add_argument("name")
    command.add_argument("command", nargs=argparse.REMAINDER)
    command.set_defaults(call=execute)

    command = commands.add_parser("list", help="the names of those that run")
    command.set_defaults(call=show)

    command = commands.add_parser("snapshot", help="what a host looks like, as JSON")
    command.add_argument("name")
    command.set_defaults(call=snapshot)

    command = commands.add_parser("requests", help="who asked the web server of a LAN")
    command.add_argument("name")
    command.set_defaults(call=requests)
    return top


if __name__ == "__main__":
    given = parser().parse_args()
    try:
        given.call(given)
    except SandboxError as error:
        sys.exit(f"error: {error}")
