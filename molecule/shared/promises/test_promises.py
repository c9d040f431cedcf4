# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who reaches whom, from inside nested guests, their host and the LAN: as the model of each network promises."""

from tests.promises import table
from tests.promises.reach import measure
from tests.vmhosts import VmLan


def test_every_path_is_as_promised(vm_host):
    networks = vm_host.networks
    outcomes = measure(networks, vm_host, VmLan(), vm_host.in_guests)
    print(table.summary(networks, outcomes))
    assert outcomes
    assert not [outcome for outcome in outcomes if not outcome.kept], table.listing(outcomes)
