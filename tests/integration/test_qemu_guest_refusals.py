# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module qemu_guest: what is refused in one plain message, before anything is touched."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager

import pytest

from tests.integration.support import fails
from tests.integration.support.hypervisor import IDLE, guest, guests, left_over, offer_tun, prepare

pytestmark = pytest.mark.newest_end

NIC = {"bridge": "br-lab"}
MAC = "52:54:00:00:00:01"
QEMU_IMAGE = "/var/lib/virtnet/images/good.qcow2"

#: Options of one guest, and what the message must say; only what was looked up on the host, the rest is for unit tests.
REFUSED = [
    ({"nics": [{**NIC, "model": "e1001"}]}, ["nics[0].model", "'e1001'", "did you mean 'e1000'", "rtl8139"]),
    ({"machine": "q36"}, ["machine", "'q36'", "q35"]),
    ({"nics": [{**NIC, "ifname": "busy"}]}, ["nics[0].ifname", "'busy' exists already"]),
    ({"nics": [{"bridge": "br-none"}]}, ["nics[0].bridge", "no bridge 'br-none'"]),
    ({"nics": [{**NIC, "script": "/run/plain"}]}, ["nics[0].script", "'/run/plain' is not executable"]),
    ({"nics": [{"type": "user", "hostfwd": [{"port": 2222}]}]}, ["nics.hostfwd", "2222", "in use"]),
    ({"nics": [{"type": "user", "hostfwd": [{"port": 99, "address": "203.0.113.9"}]}]}, ["203.0.113.9", "not one of"]),
    ({"display": {"type": "vnc", "number": 7}}, ["display.number", "5907", "in use"]),
    ({"disks": [{"file": "/run/plain"}]}, ["disks[0].file", "not a disk image"]),
    ({"disks": [{"file": "/run/torn.qcow2"}]}, ["disks[0].file", "not a disk image"]),
    ({"disks": [{"file": QEMU_IMAGE, "base": "/run/other"}]}, ["disks[0].base", "overlay over nothing"]),
    ({"disks": [{"file": "/var/secret/a.qcow2"}]}, ["disks[0].file", "user 'virtnet-qemu' cannot"]),
    ({"kernel": "/boot/none"}, ["kernel", "'/boot/none' does not exist"]),
    ({"user": "nobody9"}, ["user", "'nobody9'", "host_setup"]),
    ({"nics": [{"type": "bridge", "bridge": "br-lab"}]}, ["nics[0].type", "cannot open /dev/net/tun"]),
    ({"supervisor": "systemd"}, ["supervisor", "systemd does not run this host"]),
]


@pytest.fixture
def host(host):
    """A host where much is taken or broken."""
    prepare(host)
    host.run(["ip", "link", "add", "busy", "type", "veth", "peer", "name", "busy-peer"])
    offer_tun(host, 0o600)
    host.path("/run/plain").write_text("no image, no script\n")
    host.path("/run/torn.qcow2").write_bytes(b"QFI\xfb\0\0\0\3" + bytes(504))
    host.path(QEMU_IMAGE).parent.mkdir(parents=True)
    for path in (QEMU_IMAGE, "/run/other"):
        host.run(["qemu-img", "create", "-q", "-f", "qcow2", path, "1M"])
        host.run(["chown", "virtnet-qemu", path])
    host.path("/var/secret").mkdir(mode=0o700)
    host.run(["qemu-img", "create", "-q", "-f", "qcow2", "/var/secret/a.qcow2", "1M"])
    return host


@contextmanager
def listening(host, *ports):
    """A program that has those ports of 127.0.0.1 for itself."""
    code = (
        "import socket, sys, threading\n"
        "sockets = [socket.create_server(('127.0.0.1', int(p))) for p in sys.argv[1:]]\n"
        "print('ready', flush=True)\n"
        "threading.Event().wait()"
    )
    with host.popen([sys.executable, "-c", code, *map(str, ports)], stdout=subprocess.PIPE, text=True) as program:
        try:
            assert program.stdout.readline() == "ready\n"
            yield
        finally:
            program.kill()


def test_refused_before_anything_is_touched(play, host):
    before = left_over(host)
    with listening(host, 2222, 5907):
        results = play(host, [fails(guest(**{**IDLE, **options})) for options, _words in REFUSED])
    for (options, words), result in zip(REFUSED, results, strict=True):
        assert [word for word in words if word not in result.msg] == [], f"{options}: {result.msg}"
        assert "\n" not in result.msg
    assert left_over(host) == before


def test_what_another_guest_has_is_refused(play, host):
    first = {"name": "web1", **IDLE, "nics": [{**NIC, "mac": MAC}], "disks": [{"file": QEMU_IMAGE}]}
    display = {"type": "vnc", "number": 8}
    both = [{"name": name, **IDLE, "nics": [{**NIC, "mac": MAC}]} for name in ("a", "b")]
    in_list, _made, mac, disk, number, _own = play(
        host,
        [
            fails(guests(*both)),
            guest(**first, display=display),
            fails(guest("web2", **IDLE, nics=[{"type": "user", "mac": MAC}])),
            fails(guest("web2", **IDLE, disks=[{"file": QEMU_IMAGE}])),
            fails(guest("web2", **IDLE, display=display)),
            # Its own port, and disk, are not in its way.
            guest(memory="40M", allow_restart=True),
        ],
    )
    assert f"nics[0].mac: {MAC} is also that of guest 'b'" in in_list.msg
    assert f"nics[0].mac: {MAC} is also that of guest 'web1'" in mac.msg
    assert f"'{QEMU_IMAGE}' is also that of guest 'web1'" in disk.msg
    assert "display.number: port 5908/tcp is also that of guest 'web1'" in number.msg
    assert not [entry for entry in left_over(host) if "web2" in entry]


def test_check_mode_takes_what_is_missing_for_granted(play, host):
    options = {"kernel": "/boot/none", "nics": [{"bridge": "br-none"}], "user": "nobody9"}
    (would,) = play(host, [guest(**{**IDLE, **options})], check=True)
    assert would.changed
    assert len(would.warnings) == 3
    assert all("in check mode it is taken for granted" in warning for warning in would.warnings)
