# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The host is as it was before anything was done, but for what libvirt keeps of its own rules until the next boot."""

import json

from tests.vmhosts.host import LOCK, SUBJECTS

#: What libvirt's rules are in: tables of its own, or chains of its own among those of iptables.
OWN_TABLE = "libvirt_network"
OWN_CHAIN = "LIBVIRT_"
OF_IPTABLES = ("filter", "nat", "mangle")


def without_libvirt(found):
    kept = []
    for entry in found["nftables"]:
        ((kind, what),) = entry.items()
        table = what["name"] if kind == "table" else what.get("table")
        frame = kind in ("table", "chain") and table in OF_IPTABLES
        if table != OWN_TABLE and OWN_CHAIN not in json.dumps(what) and not frame:
            kept.append(entry)
    lines = [line for line in found["iptables"] if line.startswith("-A") and OWN_CHAIN not in line]
    return {**found, "nftables": kept, "iptables": lines}


def test_the_host_is_as_before(vm_host):
    before, now = (without_libvirt(found) for found in (vm_host.before(), vm_host.snapshot()))
    for found in (before, now):
        for path in LOCK:
            found["files"].pop(path, None)
    for subject in SUBJECTS:
        assert now[subject] == before[subject], subject


def test_libvirt_has_no_rule_left(vm_host):
    rules = [entry["rule"] for entry in vm_host.snapshot()["nftables"] if "rule" in entry]
    assert not [rule for rule in rules if "virbr0" in json.dumps(rule) or "br-office" in json.dumps(rule)]


def test_no_daemon_of_libvirts_is_left(vm_host):
    said = vm_host.run(["systemctl", "is-enabled", "libvirtd.service", "libvirtd.socket"], check=False)
    assert said.stdout.split() == ["disabled"] * 2
    assert vm_host.run(["systemctl", "is-active", "libvirtd.service", "libvirtd.socket"], check=False).returncode != 0
