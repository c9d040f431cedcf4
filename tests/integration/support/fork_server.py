# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A program that has imported Ansible and forks itself for each run: the import costs more than most runs.

Standard input is a socket. Each message is a list: the arguments of ``python -m ansible``, and more environment
variables; two descriptors come with it, one for the run's output, one for its pid and later its wait status, each
a line. When the other end of the socket is closed, the program ends; when that of the last descriptor is, the run.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import warnings
from contextlib import suppress

from ansible import __main__ as ansible
from ansible.plugins.loader import init_plugin_loader
from ansible.utils.path import cleanup_tmp_file

LONGEST = 1 << 16
# By these names Ansible's own loader finds them too.
PLUGINS = (
    "action.normal",
    "callback",
    "connection.local",
    "inventory.auto",
    "inventory.host_list",
    "inventory.script",
    "inventory.yaml",
    "shell.sh",
    "strategy.linear",
    "vars.host_group_vars",
)


def main() -> None:
    importlib.import_module("ansible.cli.playbook")
    for name in PLUGINS:
        importlib.import_module(f"ansible.plugins.{name}")
    # The beginning of every run, which takes a large file to be read, and which warns when it finds this done.
    init_plugin_loader()
    importlib.import_module("ansible_collections.ansible.builtin")
    warnings.filterwarnings("ignore", "AnsibleCollectionFinder has already been configured")
    # Its memory stays shared with the runs.
    gc.freeze()
    with socket.socket(fileno=0) as messages:
        while True:
            message, descriptors, _flags, _sender = socket.recv_fds(messages, LONGEST, 2)
            reap()
            if not message:
                return
            if os.fork() == 0:
                break
            for descriptor in descriptors:
                os.close(descriptor)
    run(*json.loads(message), *descriptors)


def reap() -> None:
    """Wait for the children that have ended, so that their processor time counts as this process's."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass


def look_after(pid: int, news: int) -> None:
    """Tell of a run; when nobody listens any more, end it."""
    tell(news, pid)
    poll = select.poll()
    poll.register(os.pidfd_open(pid), select.POLLIN)
    # Only for the error that a pipe without a reader has.
    poll.register(news, 0)
    if any(descriptor == news for descriptor, _event in poll.poll()):
        os.kill(pid, signal.SIGTERM)
    _pid, status = os.waitpid(pid, 0)
    tell(news, status)


def tell(news: int, number: int) -> None:
    with suppress(BrokenPipeError):
        os.write(news, b"%d\n" % number)


def run(arguments: list[str], variables: dict[str, str], output: int, news: int) -> None:
    """Returns, or exits, as ``python -m ansible`` does; another process waits for that and tells of it."""
    null = os.open(os.devnull, os.O_RDONLY)
    for theirs, standard in ((null, 0), (output, 1), (output, 2)):
        os.dup2(theirs, standard)
    pid = os.fork()
    if pid:
        look_after(pid, news)
        os._exit(0)
    os.close(output)
    os.close(news)
    os.setsid()
    os.environ.update(variables)
    sys.argv = [ansible.__file__, *arguments]
    # All runs share the server's temporary folder: what one has built of a module, the next one need not build.
    atexit.unregister(cleanup_tmp_file)
    ansible.main()


if __name__ == "__main__":
    main()
