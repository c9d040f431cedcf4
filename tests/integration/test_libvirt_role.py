# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role libvirt_network: `default` by variables alone, and libvirt's networks and ours side by side."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.support import Player
from tests.integration.support.dhcp import lease, plug
from tests.integration.support.libvirt_host import PYTHON, listed, run_libvirt
from tests.sandbox import LanHost, Sandbox

pytestmark = pytest.mark.full

INVENTORY = {
    "virtnet_networks": [{"name": "lab", "model": "nat", "subnet": "192.168.4.0/24"}],
    "virtnet_libvirt_networks": [
        {"name": "default"},
        {"name": "back", "mode": "isolated", "addresses": ["10.9.0.1/24"]},
    ],
    "virtnet_guests": [{"name": "web1", "nics": [{"network": "default", "address": "192.168.122.11"}]}],
    # What a sandbox host has is the machine's.
    "libvirt_network_packages": [],
    "host_setup_packages": [],
}
NETWORK = ("links", "routes", "rules", "namespaces")
SUBJECTS = (*NETWORK, "sysctls", "files")
#: Of the collection's own; gone with the next boot.
LOCK = ("/run/virtnet", "/run/virtnet/lock")


@pytest.fixture
def host() -> Iterator[Sandbox]:
    with Sandbox(f"libvirt-role-{os.getpid()}") as host:
        run_libvirt(host)
        yield host


def roles(tasks_from: str = "main") -> list[dict[str, Any]]:
    names = ("networks", "libvirt_network")
    return [
        {"ansible.builtin.include_role": {"name": f"virtnet.qemu.{name}", "tasks_from": tasks_from}} for name in names
    ]


def seen(host: Sandbox) -> dict[str, Any]:
    found = host.snapshot()
    for path in LOCK:
        found["files"].pop(path, None)
    return {subject: found[subject] for subject in SUBJECTS}


def fetches(host: Sandbox, guest: str, address: str) -> bool:
    argv = ["ip", "netns", "exec", guest, "curl", "--silent", "--max-time", "3", f"http://{address}/from-{guest}"]
    return host.run(argv, check=False).returncode == 0


def pings(host: Sandbox, guest: str, address: str) -> bool:
    argv = ["ip", "netns", "exec", guest, "ping", "-c", "1", "-W", "2", address]
    return host.run(argv, check=False).returncode == 0


def joined(host: Sandbox, guest: str, bridge: str) -> str:
    """A guest's place on a bridge, with address and default route by DHCP."""
    plug(host, guest, bridge)
    given = lease(host, guest, tries=30)
    host.run(["ip", "-n", guest, "address", "add", f"{given['ip']}/24", "dev", "eth0"])
    host.run(["ip", "-n", guest, "route", "add", "default", "via", given["router"]])
    return given["ip"]


def test_side_by_side(play: Player, host: Sandbox, lan: LanHost):
    options = {"vars": {**INVENTORY, **PYTHON}, "gather_facts": True}
    before = seen(host)
    play(host, roles(), check=True, **options)
    assert seen(host) == before
    play(host, roles(), **options)
    assert [result.task for result in play(host, roles(), **options) if result.changed] == []
    assert [listed(host, name) for name in ("default", "back")] == [["active", "yes", "yes"]] * 2
    assert host.run(["cat", "/proc/sys/net/ipv4/ip_forward"]).stdout == "1\n"
    assert "net.ipv4.ip_forward = 1" in host.path("/etc/sysctl.d/60-virtnet.conf").read_text()

    ours, theirs = joined(host, "ours", "br-lab"), joined(host, "theirs", "virbr0")
    assert fetches(host, "ours", LanHost.ADDRESS) and fetches(host, "theirs", LanHost.ADDRESS)
    clients = {request["path"]: request["client"] for request in lan.requests()}
    assert clients == {"/from-ours": "192.0.2.10", "/from-theirs": "192.0.2.10"}
    assert not pings(host, "ours", theirs) and not pings(host, "theirs", ours)
    # Each by way of what its own firewall lets in, and again after the other's was written anew.
    play(host, [*roles("teardown")[:1], *roles()[:1]], **options)
    assert fetches(host, "theirs", LanHost.ADDRESS)

    for name in ("ours", "theirs"):
        host.run(["ip", "netns", "delete", name])
    play(host, roles("teardown"), **options)
    assert listed(host, "default") == ["inactive", "no", "yes"] and listed(host, "back") is None
    # The collection's folders and forwarding are the host's own set-up, which the teardown of host_setup undoes.
    assert {subject: seen(host)[subject] for subject in NETWORK} == {subject: before[subject] for subject in NETWORK}
    assert not [result.task for result in play(host, roles("teardown"), **options) if result.changed]
