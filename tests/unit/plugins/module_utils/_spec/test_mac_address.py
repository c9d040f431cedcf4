# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import netaddr
import pytest
from hypothesis import given, strategies as st

from ansible_collections.virtnet.qemu.plugins.module_utils._spec.base import SpecError
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.mac_address import (
    check_macs,
    derived_mac,
    derived_uuid,
)

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


def test_the_same_on_every_run():
    """Fixed for ever: guests keep their leases, and rules about them stay right."""
    assert derived_mac("virtnet", "hv1", "web1", 0) == "52:54:00:87:f5:fb"
    assert derived_uuid("virtnet", "hv1", "web1") == "5c5bdeff-4acc-519d-b91f-c351fefe5404"


@given(NAMES, NAMES, NAMES, st.integers(0, 31))
def test_an_address_of_qemus_own_range(fleet, host, guest, index):
    mac = netaddr.EUI(derived_mac(fleet, host, guest, index))
    assert mac.words[:3] == (0x52, 0x54, 0x00)


@pytest.mark.parametrize(
    "other", [("f2", "h", "g", 0), ("f", "h2", "g", 0), ("f", "h", "g2", 0), ("f", "h", "g", 1), ("f", "hg", "", 0)]
)
def test_each_part_counts(other):
    assert derived_mac(*other) != derived_mac("f", "h", "g", 0)
    if other[3] == 0:
        assert derived_uuid(*other[:3]) != derived_uuid("f", "h", "g")


def test_one_address_twice_is_refused():
    with pytest.raises(SpecError, match="52:54:00:00:00:01 is the address of a and of c"):
        check_macs([("a", "52:54:00:00:00:01"), ("b", "52:54:00:00:00:02"), ("c", "52:54:00:00:00:01")])
    check_macs([("a", "52:54:00:00:00:01"), ("b", "52:54:00:00:00:02")])
