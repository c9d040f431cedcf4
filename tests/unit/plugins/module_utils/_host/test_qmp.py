# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The client of QMP against a QEMU that is played here, over a real socket; with a real one in tests/integration."""

from __future__ import annotations

import json
import socketserver
import threading
import time

import pytest

from ansible_collections.virtnet.qemu.plugins.module_utils._host import qmp
from ansible_collections.virtnet.qemu.plugins.module_utils._host.errors import HostError

VERSION = {"qemu": {"major": 10, "minor": 0, "micro": 0}, "package": ""}
#: Seconds until it says its first word.
SLOW = 2
ANSWERS = {"qmp_capabilities": {}, "query-status": {"status": "running"}}


class PlayedQemu(socketserver.BaseRequestHandler):
    def handle(self):
        time.sleep(SLOW)
        self.say({"QMP": {"version": VERSION, "capabilities": []}})
        # No line ends are needed, and nothing more is asked before the answer.
        while question := self.request.recv(65536):
            asked = json.loads(question)
            self.say({"return": ANSWERS[asked.pop("execute")], **asked})

    def say(self, message):
        self.request.sendall(json.dumps(message).encode() + b"\n")


class Server(socketserver.ThreadingUnixStreamServer):
    block_on_close = False


@pytest.fixture
def qemu(tmp_path):
    path = str(tmp_path / "qmp.sock")
    with Server(path, PlayedQemu) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield path
        server.shutdown()
        thread.join()


def test_one_that_starts_has_its_start_timeout(qemu, monkeypatch):
    """However soon one that runs has to answer."""
    monkeypatch.setattr(qmp, "_ANSWER", SLOW / 2)
    qmp.await_running([qmp.Target("web1", qemu, 60)])


def test_none_that_answers_in_time(tmp_path):
    with pytest.raises(HostError, match=r"guest 'web1': no QEMU answers at .*/qmp\.sock"):
        qmp.await_running([qmp.Target("web1", str(tmp_path / "qmp.sock"), 60)])
