# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A VNC client that goes as far as the password: RFC 6143, sections 7.1 and 7.2."""

from __future__ import annotations

import socket
from pathlib import Path

# What VNC encrypts with is single DES; three times the same key makes it of the triple one.
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes

VNC_AUTHENTICATION = 2


def accepts(path: Path, password: str) -> bool:
    """Whether the server on a unix socket lets someone with that password in."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(60)
        connection.connect(str(path))
        stream = connection.makefile("rwb", buffering=0)
        assert _read(stream, 12) == b"RFB 003.008\n"
        stream.write(b"RFB 003.008\n")
        kinds = _read(stream, _read(stream, 1)[0])
        assert list(kinds) == [VNC_AUTHENTICATION]
        stream.write(bytes([VNC_AUTHENTICATION]))
        stream.write(_encrypted(password, _read(stream, 16)))
        return _read(stream, 4) == bytes(4)


def _read(stream, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = stream.read(size - len(data))
        assert more, "the server closed the connection"
        data += more
    return data


def _encrypted(password: str, challenge: bytes) -> bytes:
    # The bits of each byte of the key are in the opposite order.
    key = bytes(int(f"{byte:08b}"[::-1], 2) for byte in password.encode().ljust(8, b"\0"))
    encryptor = Cipher(TripleDES(key * 3), modes.ECB()).encryptor()
    return encryptor.update(challenge) + encryptor.finalize()
