# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From what guests boot: the network, by QEMU's iPXE and our dnsmasq; a CD-ROM once, and then the disk."""

from __future__ import annotations

import os
import select
import shutil

import pytest

from tests.integration.support import fails
from tests.integration.support.hypervisor import ADDRESS, IMAGES, PATIENCE, USER, guest, inside, prepare, processes

pytestmark = pytest.mark.newest_end

SCRIPT = """#!ipxe
kernel vmlinuz console=ttyS0 quiet hostname=from-the-network
initrd initrd.img
boot
"""
#: 16-bit code at address 7C00 that writes the text behind it to QEMU's debug port:
#: cli; xor ax, ax; mov ds, ax; cld; mov si, 7C00h + its size; next: lodsb; test al, al; jz end; out E9h, al; jmp next
SAY = bytes.fromhex("FA 31C0 8ED8 FC BE007C AC 84C0 7404 E6E9 EBF7")
#: mov al, FEh; out 64h, al; hlt
RESET = bytes.fromhex("B0FE E664 F4 EBFD")
HALT = bytes.fromhex("F4 EBFD")


def boot_code(text, end):
    """A program that says `text`."""
    code = bytearray(SAY + end)
    code[7] = len(code)
    return bytes(code) + text.encode() + b"\0"


@pytest.fixture
def host(host):
    prepare(host)
    return host


def test_from_the_network(play, host, micro_cloud_image):
    root = host.path("/var/lib/tftp")
    dnsmasq = {
        "virtnet.qemu.dnsmasq": {
            "name": "lab",
            "interface": "br-lab",
            "addresses": [f"{ADDRESS}/24"],
            "ranges": [{"start": "192.0.2.100", "end": "192.0.2.199"}],
            "boot_file": "boot.ipxe",
            "tftp_root": "/var/lib/tftp",
        }
    }
    (refused,) = play(host, [fails(dnsmasq)])
    assert refused.msg == "tftp_root: there is no folder '/var/lib/tftp' on this host; make it first"

    shutil.copytree(micro_cloud_image, root)
    (root / "boot.ipxe").write_text(SCRIPT)
    host.run(["chmod", "--recursive", "a+rX", "/var/lib/tftp"])
    options = {"memory": "256M", "accel": "tcg", "boot": {"order": "c", "once": "n"}, "nics": [{"bridge": "br-lab"}]}
    _served, again, started = play(host, [dnsmasq, dnsmasq, guest(**options)])
    assert not again.changed
    assert "order=c,once=n" in started["guests"][0]["argv"]
    assert inside(host, "web1", "hostname") == "from-the-network"


def test_from_a_cdrom_once_and_then_from_the_disk(play, host):
    folder = host.path("/run/iso")
    folder.mkdir()
    (folder / "boot.img").write_bytes(boot_code("the CD-ROM\n", RESET).ljust(2048, b"\0"))
    host.path(IMAGES).mkdir(parents=True)
    host.run(
        ["xorriso", "-as", "mkisofs", "-quiet", "-b", "boot.img", "-no-emul-boot", "-boot-load-size", "4"]
        + ["-o", f"{IMAGES}/install.iso", "/run/iso"]
    )
    sector = boot_code("the disk\n", HALT).ljust(510, b"\0") + b"\x55\xaa"
    host.path(f"{IMAGES}/disk.img").write_bytes(sector.ljust(1 << 20, b"\0"))
    os.mkfifo(host.path("/run/said"))
    host.run(["chown", USER, f"{IMAGES}/disk.img", "/run/said"])
    # Open at both ends, so that QEMU's end can be opened.
    said = os.open(host.path("/run/said"), os.O_RDWR | os.O_NONBLOCK)
    disks = [
        {"file": f"{IMAGES}/disk.img", "format": "raw", "cache": "writeback"},
        {"file": "install.iso", "cdrom": True},
    ]
    options = {"memory": "32M", "accel": "tcg", "stop_timeout": 1, "boot": {"order": "c", "once": "d"}}
    play(host, [guest(**options, disks=disks, arguments=["-debugcon", "file:/run/said"])])
    (command,) = processes(host)
    assert "-boot order=c,once=d " in command
    assert f"file={IMAGES}/disk.img,if=none,format=raw,cache=writeback " in command
    assert f"file={IMAGES}/install.iso,if=none,format=raw,readonly=on,media=cdrom " in command
    assert read(said, b"the disk\n") == b"the CD-ROM\nthe disk\n"
    os.close(said)


def read(fifo, end):
    """What is written to a FIFO, up to `end`."""
    said = b""
    while not said.endswith(end):
        assert select.select([fifo], [], [], PATIENCE)[0], said
        said += os.read(fifo, 4096)
    return said
