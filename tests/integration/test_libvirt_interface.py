# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""NICs of a real libvirt domain, whose guest boots, asks for a lease and gives a NIC back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.integration.support import Player, TaskResult, fails
from tests.integration.support.dhcp import await_lines
from tests.integration.support.examples import examples
from tests.integration.support.libvirt_host import PYTHON, ports, run_libvirt, virsh
from tests.sandbox import Sandbox

pytestmark = pytest.mark.full

MAC = "52:54:00:00:00:11"
OTHER = "52:54:00:00:00:12"
#: Places to plug NICs in while it runs.
DOMAIN = """\
<domain type='qemu'>
  <name>web1</name>
  <memory unit='MiB'>160</memory>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <kernel>{image}/vmlinuz</kernel>
    <initrd>{image}/initrd.img</initrd>
    <cmdline>console=ttyS0 quiet</cmdline>
  </os>
  <features><acpi/></features>
  <devices>
    <controller type='pci' index='1' model='pcie-root-port'/>
    <controller type='pci' index='2' model='pcie-root-port'/>
    <controller type='pci' index='3' model='pcie-root-port'/>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
    <serial type='file'><source path='/run/console'/></serial>
  </devices>
</domain>
"""
OFFICE = {"name": "office", "bridge": "virbr1", "addresses": ["192.168.140.1/24"]}


@pytest.fixture
def host() -> Iterator[Sandbox]:
    with Sandbox(f"libvirt-domain-{os.getpid()}") as host:
        run_libvirt(host)
        yield host
        virsh(host, "destroy", "web1", check=False)


def define(host: Sandbox, play: Player, image: Path) -> None:
    host.path("/run/web1.xml").write_text(DOMAIN.format(image=image))
    virsh(host, "define", "/run/web1.xml")
    networks = [{"name": "default", "adopt": True}, OFFICE]
    play(host, [{"virtnet.qemu.libvirt_network": {"config": networks}}], vars=PYTHON)


def task(**options: Any) -> dict[str, Any]:
    return {"virtnet.qemu.libvirt_interface": {"name": "web1", "mac": MAC, "network": "default", **options}}


def run(play: Player, host: Sandbox, **options: Any) -> TaskResult:
    before = [virsh(host, "dumpxml", "web1", *more) for more in ([], ["--inactive"])]
    (checked,) = play(host, [task(**options)], check=True, vars=PYTHON)
    assert [virsh(host, "dumpxml", "web1", *more) for more in ([], ["--inactive"])] == before
    first, second = play(host, [task(**options)] * 2, vars=PYTHON)
    assert second.commands == [] and not second.changed
    assert checked.commands == first.commands
    return first


def nics(host: Sandbox, *options: str) -> dict[str, tuple[str, str]]:
    """Network and model by MAC address."""
    found = ElementTree.fromstring(virsh(host, "dumpxml", "web1", *options)).findall("devices/interface")
    return {
        nic.find("mac").get("address"): (nic.find("source").get("network"), nic.find("model").get("type"))
        for nic in found
    }


def test_a_nic_through_the_life_of_a_domain(play, host, micro_cloud_image):
    define(host, play, micro_cloud_image)
    run(play, host)
    assert nics(host) == {MAC: ("default", "virtio")}
    assert ports(host, "virbr0") == set()
    virsh(host, "start", "web1")
    assert ports(host, "virbr0") == {"vnet0"}
    await_lines(host, "tail -n +1 -F /var/lib/libvirt/dnsmasq/virbr0.status", MAC, timeout=180)

    run(play, host, mac=OTHER, network="office")
    assert nics(host) == nics(host, "--inactive") == {MAC: ("default", "virtio"), OTHER: ("office", "virtio")}
    assert ports(host, "virbr1") == {"vnet1"}
    run(play, host, mac=OTHER)
    assert nics(host)[OTHER] == ("default", "virtio")
    assert (ports(host, "virbr0"), ports(host, "virbr1")) == ({"vnet0", "vnet1"}, set())

    run(play, host, pci_address="0000:03:00.0")
    waiting = run(play, host, mac=OTHER, model="e1000e")
    assert waiting["interfaces"][0]["restart_required"]
    assert (nics(host)[OTHER][1], nics(host, "--inactive")[OTHER][1]) == ("virtio", "e1000e")
    run(play, host, mac=OTHER, state="absent")
    assert set(nics(host)) == set(nics(host, "--inactive")) == {MAC}
    assert ports(host, "virbr0") == {"vnet0"}


def test_what_cannot_be_is_refused(play, host, micro_cloud_image):
    define(host, play, micro_cloud_image)
    wrong = [{"network": "nowhere"}, {"name": "web9"}, {"pci_address": "7"}]
    results = play(host, [fails(task(**options)) for options in wrong], vars=PYTHON)
    words = ["no network 'nowhere'", "no domain 'web9'", "is not a PCI address"]
    assert all(word in result["msg"] for word, result in zip(words, results, strict=True))
    assert nics(host) == {}


def test_examples(play, host, micro_cloud_image):
    define(host, play, micro_cloud_image)
    assert all(result.changed for result in play(host, examples("libvirt_interface"), vars=PYTHON))
    assert nics(host) == {}
