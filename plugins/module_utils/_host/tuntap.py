# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Persistent taps by ioctl (the kernel's Documentation/networking/tuntap.rst, <linux/if_tun.h>)."""

from __future__ import annotations

import fcntl
import os
import struct

from .errors import HostError

_TUNSETIFF = 0x400454CA
_TUNSETPERSIST = 0x400454CB
_TUNSETOWNER = 0x400454CC
_TUNSETGROUP = 0x400454CE

IFF_TAP = 0x0002
_IFF_NO_PI = 0x1000
_FLAGS = {"multi_queue": 0x0100, "vnet_hdr": 0x4000}


def set_persistent(name: str, owner: int | None, group: int | None, flags: tuple[str, ...]) -> None:
    """Make the tap, or attach to it when it exists, and set owner, group and flags."""
    fd = attach(name, flags)
    try:
        if owner is not None:
            fcntl.ioctl(fd, _TUNSETOWNER, owner)
        if group is not None:
            fcntl.ioctl(fd, _TUNSETGROUP, group)
        fcntl.ioctl(fd, _TUNSETPERSIST, 1)
    finally:
        os.close(fd)


def attach(name: str, flags: tuple[str, ...]) -> int:
    """A descriptor of one queue of the tap, which is made when there is none of that name."""
    bits = IFF_TAP | _IFF_NO_PI
    for flag in flags:
        bits |= _FLAGS[flag]
    try:
        fd = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    except OSError as exc:
        raise HostError(
            f"/dev/net/tun cannot be opened ({exc.strerror}); load the kernel module 'tun', and run as root"
        ) from exc
    try:
        fcntl.ioctl(fd, _TUNSETIFF, struct.pack("16sH22x", name.encode(), bits))
    except OSError:
        os.close(fd)
        raise
    return fd


def open_queues(name: str, count: int) -> list[int]:
    """Descriptors of so many queues of a tap that exists, which must be what it was made with, for a QEMU."""
    # The header is what QEMU asks for first.
    flags = ("vnet_hdr", "multi_queue") if count > 1 else ("vnet_hdr",)
    opened: list[int] = []
    try:
        for _queue in range(count):
            opened.append(attach(name, flags))
    except BaseException:
        for fd in opened:
            os.close(fd)
        raise
    return opened


def make_temporary(fd: int) -> None:
    """Let the kernel remove the tap as soon as nobody has it open."""
    fcntl.ioctl(fd, _TUNSETPERSIST, 0)
