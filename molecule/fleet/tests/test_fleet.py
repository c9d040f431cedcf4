# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Guests of one host and of another: LAN members meet, who is translated meets them, and nobody gets in there."""

import pytest
import testinfra

from tests.promises.paths import PATIENCE, said_by, url
from tests.promises.reach import introduced
from tests.vmhosts.host import VmHost


@pytest.fixture(scope="module")
def hosts(request):
    inventory = request.config.getoption("ansible_inventory")
    return [VmHost(host) for host in testinfra.get_hosts(["ansible://vm_hosts"], ansible_inventory=inventory)]


@pytest.fixture(scope="module")
def addresses(hosts):
    found = {}
    for host in hosts:
        found.update(introduced(host.networks, host.in_guests))
    return found


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize(
    ("source", "target", "promised"), [("lan", "lan", True), ("lab", "lan", True), ("lan", "lab", False)]
)
def test_from_one_host_to_the_other(hosts, addresses, source, target, promised, version):
    for here, there in ((1, 2), (2, 1)):
        asked = url(addresses[f"{target}-{there}"][version])
        argv = ["timeout", PATIENCE[promised], "wget", "-q", "-O", "-", asked]
        ((status, text),) = hosts[here - 1].in_guests([(f"{source}-{here}", argv)])
        assert (status == 0 and said_by(f"{target}-{there}") in text) is promised, (here, there, text)
