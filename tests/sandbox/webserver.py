# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A web server that notes who asked, run inside the LAN's sandbox host.

usage: webserver.py LOG_FILE. The command returns once the server listens (port 80,
IPv4 and IPv6); the log has one JSON object a line.
"""

from __future__ import annotations

import http.server
import json
import os
import socket
import sys


class DualStackServer(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6

    def server_bind(self) -> None:
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        client = self.client_address[0].removeprefix("::ffff:")
        # Before the answer: whoever has the answer finds the line in the log.
        print(json.dumps({"client": client, "path": self.path}), flush=True)
        body = f"{client}\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        """The log has our own lines only."""


def become_daemon(log_file: str) -> None:
    if os.fork():
        os._exit(0)
    os.setsid()
    log = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(log, 1)
    os.dup2(null, 2)


if __name__ == "__main__":
    with DualStackServer(("::", 80), Handler) as server:
        become_daemon(sys.argv[1])
        server.serve_forever()
