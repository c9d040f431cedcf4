# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""User-mode NICs: the way out as the host, the host's own services, and in only where a port is forwarded."""

import pytest

from tests.vmhosts import VmLan

#: What QEMU's own gateway is to a guest (qemu(1), -netdev user).
GATEWAY = "10.0.2.2"
PATIENCE = "20"


def fetch(url):
    return ["sh", "-c", 'wait-online eth0; exec "$@"', "sh", "timeout", PATIENCE, "wget", "-q", "-O", "-", url]


def test_the_guests_reach_the_lan_as_their_host(vm_host):
    said = vm_host.in_guests([(guest, fetch(f"http://{VmLan.ADDRESS}/from-{guest}")) for guest in ("box1", "box2")])
    assert [status for status, _text in said] == [0, 0], said
    clients = {request["path"]: request["client"] for request in VmLan().requests()}
    assert clients["/from-box1"] == clients["/from-box2"] == f"192.0.2.{vm_host.number}"


def test_the_guests_reach_the_hosts_services(vm_host):
    ((_status, text),) = vm_host.in_guests([("box2", ["sh", "-c", f"echo | timeout {PATIENCE} nc {GATEWAY} 22"])])
    assert text.startswith("SSH-2.0")


@pytest.mark.parametrize(("port", "promised"), [(8081, True), (80, False)])
def test_the_lan_reaches_a_guest_by_a_forwarded_port_only(vm_host, port, promised):
    vm_host.in_guests([("box1", ["hostname", "box1"])])
    argv = ["curl", "--silent", "--max-time", PATIENCE if promised else "3", f"http://192.0.2.{vm_host.number}:{port}/"]
    done = VmLan().run(argv, check=False)
    assert (done.returncode == 0 and "host box1\n" in done.stdout) is promised, done


def test_qemu_has_no_privilege(vm_host):
    users = vm_host.run(["ps", "-o", "user=", "-C", "qemu-system-x86_64"]).stdout.split()
    assert len(users) == 2
    assert "root" not in users
