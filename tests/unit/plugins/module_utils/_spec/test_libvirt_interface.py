# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

import pytest

from ansible_collections.virtnet.qemu.plugins.module_utils._persist import libvirt_interface as persist
from ansible_collections.virtnet.qemu.plugins.module_utils._plan import plan
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.base import SpecError
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.libvirt_interface import (
    Domain,
    DomainWorld,
    Interface,
    LibvirtInterface,
    Nic,
)

MAC = "52:54:00:00:00:11"
DEFAULTS = dict.fromkeys(LibvirtInterface.argument_spec) | {"state": "present", "uri": "test"}
PLUGGED = Nic("default", "virtio", "0000:01:00.0")
HAVE = Interface("web1", MAC, PLUGGED, PLUGGED, "<defined/>", "<live/>")
ATTACH = f"virsh attach-interface web1 network default --mac {MAC} --model virtio"
UPDATE = "virsh update-device web1 52-54-00-00-00-11.xml"
DETACH = f"virsh detach-interface web1 network --mac {MAC}"
DOMAIN = f"""\
<domain><name>web1</name><devices>
  <interface type='network'>
    <mac address='{MAC.upper()}'/>
    <source network='default' portid='x' bridge='virbr0'/>
    <target dev='vnet0'/>
    <model type='virtio'/>
    <alias name='net0'/>
    <address type='pci' domain='0x0000' bus='0x01' slot='0x00' function='0x0'/>
  </interface>
  <interface type='bridge'><mac address='52:54:00:00:00:12'/><source bridge='br0'/></interface>
</devices></domain>
"""


def parse(**options):
    return LibvirtInterface.parse({**DEFAULTS, "name": "web1", "mac": MAC, "network": "default", **options})


def world(have=None, runs=True, persistent=True):
    found = {have.key: have} if have else {}
    return DomainWorld({"web1": Domain(persistent, runs)}, found, frozenset(["default", "office"]))


def lines(options, have=None, **domain):
    return [step.line for change in plan([parse(**options)], world(have, **domain)) for step in change.steps]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"mac": None}, "mac: it is not given"),
        ({"mac": "x"}, "mac: 'x'"),
        ({"network": None}, "network: it is not given"),
        ({"network": "a b"}, "network: 'a b'"),
        ({"model": "a b"}, "model: 'a b'"),
        ({"pci_address": "7"}, "pci_address: '7'"),
        ({"pci_address": "00:20.0"}, "pci_address: '00:20.0'"),
    ],
)
def test_what_is_refused(options, words):
    with pytest.raises(SpecError, match=words):
        parse(**options)


def test_one_address_on_two_domains_is_refused():
    with pytest.raises(SpecError, match="'web2'"):
        plan([parse()], world(replace(HAVE, name="web2")))


def test_what_is_not_there_yet():
    seen = DomainWorld({}, {}, frozenset())
    assert plan([parse()], seen)
    assert [text.split(";")[0] for text in seen.missing] == [
        "name: libvirt has no domain 'web1'",
        "network: libvirt has no network 'default'",
    ]


@pytest.mark.parametrize(
    ("options", "have", "domain", "expected"),
    [
        ({}, None, {}, [f"{ATTACH} --config", f"{ATTACH} --live"]),
        ({}, None, {"runs": False}, [f"{ATTACH} --config"]),
        ({}, None, {"persistent": False}, [f"{ATTACH} --live"]),
        ({}, HAVE, {}, []),
        ({"network": "office"}, HAVE, {}, [f"{UPDATE} --config", f"{UPDATE} --live"]),
        ({"model": "e1000e"}, HAVE, {}, [f"{UPDATE} --config"]),
        ({"pci_address": "2:0.0"}, HAVE, {}, [f"{DETACH} --config", f"{ATTACH} --config"]),
        ({"pci_address": "01:00.0"}, HAVE, {}, []),
        ({"state": "absent", "network": None}, HAVE, {}, [f"{DETACH} --config", f"{DETACH} --live"]),
        ({"state": "absent"}, None, {}, []),
    ],
)
def test_the_way_there(options, have, domain, expected):
    assert lines(options, have, **domain) == expected


def test_what_waits_for_a_restart_is_told():
    waiting = replace(HAVE, defined=replace(PLUGGED, model="e1000e"))
    assert lines({"model": "e1000e"}, waiting) == []
    told = LibvirtInterface.report([parse(model="e1000e")], world(waiting), [])
    assert told["interfaces"] == [{"name": "web1", "mac": MAC, "restart_required": True}]
    assert waiting.as_dict()["live"]["model"] == "virtio"


def test_the_undo_leads_back():
    (change,) = plan([parse(state="absent")], world(HAVE))
    assert change.undo(world()).after == HAVE


def test_reading_a_domain():
    (first, nic, text), (second, bridged, _text) = persist.read(DOMAIN)
    assert (first, nic, second, bridged) == (MAC, PLUGGED, "52:54:00:00:00:12", Nic())
    assert "vnet0" in text


def test_a_new_nic():
    element = ElementTree.fromstring(persist.edit("", MAC, PLUGGED))
    assert element.get("type") == "network"
    assert element.find("source").attrib == {"network": "default"}
    assert element.find("address").attrib == {
        "type": "pci",
        "domain": "0x0000",
        "bus": "0x01",
        "slot": "0x00",
        "function": "0x0",
    }


def test_another_network_for_the_same_nic():
    (_mac, nic, text), _other = persist.read(DOMAIN)
    element = ElementTree.fromstring(persist.edit(text, MAC, replace(nic, network="office")))
    assert element.find("source").attrib == {"network": "office"}
    assert element.find("target").get("dev") == "vnet0" and element.find("alias").get("name") == "net0"
