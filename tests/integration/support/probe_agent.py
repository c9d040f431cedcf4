# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asks and answers over the network, run inside a namespace by `probe.Probe`.

usage: probe_agent.py NAME. One request a line on standard input, one answer a line on standard output, both JSON.
What is served answers every message with NAME, the address and port it came from, and the port it came to.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

#: The size of struct in6_pktinfo, ipv6(7).
PACKET_INFO = 20
KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
# Longer than any answer takes on a busy machine; only what is lost without a word waits for it.
PATIENCE = 5.0

kept: dict[str, socket.socket] = {}


def answer(name: str, client: tuple, port: int) -> bytes:
    return json.dumps([name, client[0].removeprefix("::ffff:"), client[1], port]).encode() + b"\n"


def converse(connection: socket.socket, name: str, client: tuple, port: int) -> None:
    with connection:
        try:
            while connection.recv(1024):
                connection.sendall(answer(name, client, port))
        except ConnectionError:
            return


def accept_all(server: socket.socket, name: str, port: int) -> None:
    while True:
        connection, client = server.accept()
        threading.Thread(target=converse, args=(connection, name, client, port), daemon=True).start()


def answer_all(server: socket.socket, name: str, port: int) -> None:
    while True:
        _data, asked, _flags, client = server.recvmsg(1024, socket.CMSG_SPACE(PACKET_INFO))
        # From the address that was asked, not from the one nearest to who asked.
        server.sendmsg([answer(name, client, port)], asked, 0, client)


def serve(name: str, protocol: str, port: int) -> str:
    server = socket.socket(socket.AF_INET6, KINDS[protocol])
    server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    server.bind(("::", port))
    if protocol == "tcp":
        server.listen(64)
    loop = accept_all if protocol == "tcp" else answer_all
    threading.Thread(target=loop, args=(server, name, port), daemon=True).start()
    return "serving"


def connected(protocol: str, address: str, port: int, source: str, source_port: int) -> socket.socket:
    client = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, KINDS[protocol])
    client.settimeout(PATIENCE)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if source or source_port:
        client.bind((source, source_port))
    client.connect((address, port))
    return client


def ask(
    protocol: str, address: str, port: int, source: str = "", source_port: int = 0, keep: str | None = None
) -> list | str:
    """What was answered, or a word for how it failed; `keep` names a connection that is used again."""
    client = None
    try:
        client = kept.get(keep) or connected(protocol, address, port, source, source_port)
        if keep:
            kept[keep] = client
        client.sendall(b"?\n")
        said = client.recv(1024)
        return json.loads(said) if said else "closed"
    except TimeoutError:
        return "silence"
    except OSError as error:
        return error.strerror
    finally:
        if client and not keep:
            client.close()


def ask_all(questions: list[list]) -> list:
    """The answers to all, asked at once: silences are waited for together."""
    with ThreadPoolExecutor(len(questions)) as pool:
        return list(pool.map(lambda question: ask(*question), questions))


DEEDS = {"serve": partial(serve, sys.argv[1]), "ask": ask, "ask_all": ask_all}


def main() -> None:
    for line in sys.stdin:
        request = json.loads(line)
        result = DEEDS[request.pop("do")](**request)
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
