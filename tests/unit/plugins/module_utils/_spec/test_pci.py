# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.virtnet.qemu.plugins.module_utils._spec.base import SpecError
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.pci import (
    Identity,
    Interface,
    PciBus,
    PciDevice,
    mac_of_serial,
    selector,
    serial_in,
)

MAC, SERIAL = "52:54:00:aa:01:01", "52-54-00-ff-fe-aa-01-01"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("04:00.0", "0000:04:00.0"),
        ("0001:0A:1f.7", "0001:0a:1f.7"),
        ("52:54:00:AA:01:01", MAC),
        ("52-54-00-FF-FE-AA-01-01", SERIAL),
        ("enp4s0", "enp4s0"),
        ("enp4s0/01", "enp4s0/1"),
        ("04:00.0/0", "0000:04:00.0/0"),
    ],
)
def test_a_selector_has_one_form(given, expected):
    assert selector("name", given) == selector("name", expected) == expected


@pytest.mark.parametrize(
    "given", ["", "04:00.8", "04:20.0", "enp4s0/", "enp4s0/x", "en p4", "52:54:00:aa:01", "11" * 9]
)
def test_what_names_no_device_is_refused(given):
    with pytest.raises(SpecError, match="^name: "):
        selector("name", given)


def config(*capabilities: tuple[int, int, bytes]) -> bytes:
    """A configuration space with extended capabilities: identifier, where the next one is, and what is in it."""
    space = bytearray(4096)
    at = 0x100
    for identifier, following, content in capabilities:
        space[at : at + 4] = (identifier | 1 << 16 | following << 20).to_bytes(4, "little")
        space[at + 4 : at + 4 + len(content)] = content
        at = following
    return bytes(space)


NUMBER = bytes.fromhex("0101aafeff005452")


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        (config((3, 0, NUMBER)), SERIAL),
        (config((1, 0x140, b""), (3, 0, NUMBER)), SERIAL),
        (config((1, 0x140, b""), (0x10, 0, b"")), None),
        # One that leads back to itself.
        (config((1, 0x100, b"")), None),
        (bytes(256), None),
        (b"", None),
    ],
)
def test_the_serial_number_is_found_in_the_configuration_space(space, expected):
    assert serial_in(space) == expected


def test_a_nics_serial_number_tells_its_mac_address():
    assert mac_of_serial(SERIAL) == mac_of_serial("52-54-00-ff-ff-aa-01-01") == MAC
    assert mac_of_serial("01-02-03-04-05-06-07-08") is None


PLUGGED = PciDevice("0000:04:00.0", serial=SERIAL, interfaces=(Interface("enp4s0", MAC),))
TAKEN = PciDevice("0000:04:00.0", serial=SERIAL)


@pytest.mark.parametrize("name", ["0000:04:00.0", MAC, SERIAL, "enp4s0"])
def test_a_device_is_found_by_all_that_tells_it(name):
    assert PciBus([PLUGGED, PciDevice("0000:05:00.0")]).find(name) == PLUGGED


@pytest.mark.parametrize(("name", "found"), [("0000:04:00.0", True), (MAC, True), (SERIAL, True), ("enp4s0", False)])
def test_of_one_that_its_driver_does_not_have_less_is_known(name, found):
    assert (PciBus([TAKEN]).find(name) == TAKEN) is found


@pytest.mark.parametrize("name", [MAC, "enp4s0"])
def test_what_it_was_known_by_is_remembered(name):
    device = PciDevice("0000:05:00.0")
    assert PciBus([device], [Identity("0000:05:00.0", mac=MAC, interface="enp4s0")]).find(name) == device


def test_it_is_remembered_wherever_it_is_plugged_in_now():
    moved, other = PciDevice("0000:07:00.0", serial=SERIAL), PciDevice("0000:04:00.0")
    bus = PciBus([moved, other], [Identity("0000:04:00.0", serial=SERIAL, interface="enp4s0")])
    assert bus.find("enp4s0") == moved


def test_an_interface_that_is_there_counts_more_than_one_that_was():
    other = PciDevice("0000:05:00.0", interfaces=(Interface("enp4s0", "52:54:00:aa:01:02"),))
    assert PciBus([TAKEN, other], [Identity("0000:04:00.0", interface="enp4s0")]).find("enp4s0") == other


def test_a_virtual_function_is_found_by_its_number():
    physical = PciDevice("0000:04:00.0", vfs=("0000:04:10.0", "0000:04:10.2"), interfaces=(Interface("enp4s0", MAC),))
    first, second = (PciDevice(address, parent="0000:04:00.0", serial=SERIAL) for address in physical.vfs)
    bus = PciBus([physical, first, second])
    assert [bus.find(f"enp4s0/{number}") for number in range(3)] == [first, second, None]
    # The serial number is that of the whole card.
    assert bus.find(MAC) == physical


def test_what_two_devices_could_be_is_refused():
    with pytest.raises(SpecError, match=r"could be each of 0000:04:00.0, 0000:05:00.0; give the PCI address"):
        PciBus([TAKEN, PciDevice("0000:05:00.0", serial=SERIAL)]).find(SERIAL)
