# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace

import pytest

from ansible_collections.virtnet.qemu.plugins.module_utils._persist import boot_pci, sriov, vfio
from ansible_collections.virtnet.qemu.plugins.module_utils._spec import sriov as sriov_spec, vfio as vfio_spec
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.pci import Identity
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.sriov import Function

SERIAL = "52-54-00-ff-fe-aa-01-01"
KNOWN = Identity("0000:04:00.0", "8086:10d3", SERIAL, "52:54:00:aa:01:01", "enp4s0")
BOUND = [
    vfio_spec.Record("52:54:00:aa:01:01", KNOWN, "e1000e", True),
    vfio_spec.Record("0000:07:00.0", Identity("0000:07:00.0"), None, True),
    vfio_spec.Record("enp5s0/1", replace(KNOWN, address="0000:05:00.0"), "igbvf", True, vf=1),
]
MADE = [
    sriov_spec.Record(
        "enp5s0", KNOWN, up=False, autoprobe=True, boot=True, count=3, probes=False,
        sysctls=(("ipv4/arp_ignore", "0"), ("ipv6/accept_ra", "1")),
        functions=(Function("52:54:00:aa:03:01", 20, True, False), Function()),
    ),
    sriov_spec.Record("0000:06:00.0", Identity("0000:06:00.0"), up=True, autoprobe=True, boot=True, count=1),
]  # fmt: skip


@pytest.mark.parametrize("boot", [True, False])
@pytest.mark.parametrize(("kind", "records"), [(vfio, BOUND), (sriov, MADE)])
def test_a_table_is_read_as_it_was_written(kind, records, boot):
    found = kind.records(kind.table(records), boot)
    assert sorted(found, key=lambda r: r.identity.address) == sorted(
        [replace(record, boot=boot) for record in records], key=lambda r: r.identity.address
    )


@pytest.mark.parametrize("kind", [vfio, sriov])
def test_what_is_no_table_is_an_empty_one(kind):
    assert kind.records(None, True) == kind.records("", True) == kind.records("# mine\nx y\n", True) == []


def test_a_boot_looks_for_a_serial_number_where_something_else_than_a_slot_was_asked_for():
    rows = {line.split()[0]: line.split() for line in vfio.table(BOUND).splitlines() if not line.startswith("#")}
    assert {address: (row[2], row[3]) for address, row in rows.items()} == {
        "0000:04:00.0": ("serial", "-"),
        "0000:07:00.0": ("slot", "-"),
        "0000:05:00.0": ("serial", "1"),
    }


@pytest.mark.parametrize("script", [vfio.SCRIPT, sriov.SCRIPT])
def test_a_script_is_good_shell(script):
    assert subprocess.run(["sh", "-n"], check=False, input=script, text=True, capture_output=True).stderr == ""
    assert "@" not in script.replace("$@", "")


def plug(bus, address, model="0x8086 0x10d3", serial=None):
    device = bus / "devices" / address
    device.mkdir(parents=True)
    for name, value in zip(("vendor", "device"), model.split()):
        (device / name).write_text(f"{value}\n")
    config = bytearray(512)
    # A capability of another kind first.
    config[0x100:0x104] = (1 | 1 << 16 | 0x140 << 20).to_bytes(4, "little")
    if serial:
        config[0x140:0x144] = (3 | 1 << 16).to_bytes(4, "little")
        config[0x144:0x14C] = bytes(reversed([int(octet, 16) for octet in serial.split("-")]))
    (device / "config").write_bytes(bytes(config))
    return device


@pytest.fixture
def find(tmp_path):
    """Runs the function that finds a device on the bus below this folder; prints its address."""

    def run(by, address, model="8086:10d3", serial="-"):
        functions = boot_pci.FUNCTIONS.replace("/sys/bus/pci", str(tmp_path))
        given = f"table=t name=n by={by} address={address} model={model} serial={serial}"
        script = f'{given}\n{functions}\nfind_device && echo "${{device##*/}}"'
        done = subprocess.run([shutil.which("dash") or "sh", "-c", script], check=False, capture_output=True, text=True)
        return done.stdout.strip() or done.stderr.strip()

    return run


def test_a_boot_finds_a_device_by_its_serial_number_wherever_it_is(tmp_path, find):
    plug(tmp_path, "0000:04:00.0", serial="52-54-00-ff-fe-aa-01-02")
    plug(tmp_path, "0000:07:00.0", serial=SERIAL)
    plug(tmp_path, "0000:07:00.1", serial=SERIAL)
    plug(tmp_path, "0000:07:10.0", serial=SERIAL).joinpath("physfn").touch()
    assert find("serial", "0000:04:00.0", serial=SERIAL) == "0000:07:00.0"
    assert find("serial", "0000:04:00.1", serial=SERIAL) == "0000:07:00.1"
    assert "no device with the serial number" in find("serial", "0000:04:00.2", serial=SERIAL)


def test_a_boot_takes_no_other_device_for_the_one_in_a_slot(tmp_path, find):
    plug(tmp_path, "0000:04:00.0")
    plug(tmp_path, "0000:05:00.0", model="0x8086 0x2922")
    assert find("slot", "0000:04:00.0") == "0000:04:00.0"
    assert "there is another device at 0000:05:00.0" in find("slot", "0000:05:00.0")
    assert "there is no device at 0000:06:00.0" in find("slot", "0000:06:00.0")
