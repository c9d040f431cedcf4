# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.virtnet.qemu.plugins.module_utils._spec.inventory import problems

LAB = {"name": "lab", "model": "nat", "subnet": "192.168.4.0/24"}
MAC = "52:54:00:00:00:01"


def host(*nics, networks=(LAB,), libvirts=()):
    return {
        "networks": list(networks),
        "libvirt_networks": list(libvirts),
        "guests": [{"name": "web1", "nics": list(nics)}],
    }


def test_hosts_with_the_same_networks_and_guests_and_hosts_with_none():
    same = host({"network": "lab", "address": "192.168.4.11"})
    assert problems({"hv1": same, "hv2": same, "localhost": {"networks": None, "guests": None}}, "fleet") == []


def with_devices(*devices, **more):
    guests = [{"name": f"web{n}", "host_devices": [{"device": device}]} for n, device in enumerate(devices, 1)]
    return {"networks": [{"name": "lan", "model": "bridged", "uplink": "enp3s0"}], "guests": guests, **more}


def test_devices_of_the_same_name_on_two_hosts():
    assert problems({"hv1": with_devices("04:00.0", "enp5s0"), "hv2": with_devices("04:00.0")}, "fleet") == []


def test_a_nic_may_be_on_a_network_of_libvirts():
    libvirts = [{"name": "default"}, {"name": "lan", "mode": "bridge", "bridge": "br-lab"}]
    assert problems({"hv1": host({"network": "default"}, libvirts=libvirts)}, "fleet") == []


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (with_devices("04:00.0", "0000:04:00.0"), ["host 'hv1'", "guest 'web2'", "also the device of guest 'web1'"]),
        (with_devices("enp3s0"), ["host 'hv1'", "'enp3s0' is the uplink of network 'lan'"]),
        (with_devices("04:00.9"), ["host 'hv1'", "guest 'web1': host_devices[0].device", "04:00.9"]),
        (with_devices(5), ["host 'hv1'", "guest 'web1': host_devices", "not a list of dictionaries"]),
        (host({"network": "lba"}), ["host 'hv1'", "'lba'"]),
        (host({"network": "lab", "address": "10.0.0.1"}), ["host 'hv1'", "10.0.0.1", "web1"]),
        (host({"mac": MAC}, {"mac": MAC}), ["host 'hv1'", MAC]),
        (host(networks=[LAB, {**LAB, "name": "two"}]), ["host 'hv1'", "overlaps"]),
        (host(networks=[{**LAB, "name": "a-rather-long-name"}]), ["host 'hv1'", "15 bytes"]),
        (host(libvirts=[{"name": "lab"}]), ["host 'hv1'", "'lab' is in virtnet_networks too"]),
        (host(libvirts=[{"name": "x", "bridge": "br-lab"}]), ["host 'hv1'", "bridge 'br-lab'"]),
        ({"networks": [{"model": "nat"}], "guests": [{"nics": []}]}, ["host 'hv1'", "no 'name'"]),
    ],
)
def test_what_is_wrong_on_one_host(entry, words):
    found = problems({"hv1": entry, "hv2": host()}, "fleet")
    assert found
    assert all(word in found[0] for word in words), found


def test_every_problem_is_told_at_once():
    found = problems({"hv1": host({"network": "x"}), "hv2": host({"network": "y"})}, "fleet")
    assert [sentence.partition(":")[0] for sentence in found] == ["host 'hv1'", "host 'hv2'"]


def test_one_mac_address_on_two_hosts():
    (sentence,) = problems({name: host({"network": "lab", "mac": MAC}) for name in ("hv1", "hv2")}, "fleet")
    assert all(word in sentence for word in (MAC, "'hv1'", "'hv2'"))
