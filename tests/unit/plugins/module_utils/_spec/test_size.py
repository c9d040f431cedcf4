# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from ansible_collections.virtnet.qemu.plugins.module_utils._spec.base import SpecError
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.size import GIB, MIB, parse_size, show_size


@pytest.mark.parametrize(
    ("text", "expected"),
    [("512M", 512 * MIB), ("1g", GIB), ("1GiB", GIB), ("2 GB", 2 * GIB), ("1.5G", 1536 * MIB), ("10", 10 * MIB)],
)
def test_units_are_powers_of_1024(text, expected):
    assert parse_size("memory", text, unit="M") == expected


def test_a_number_alone_is_bytes_unless_told():
    assert parse_size("size", "4096") == 4096


@pytest.mark.parametrize("text", ["", "big", "-1G", "1X", "0", "0.3", "1 2", "G"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(SpecError, match="size: "):
        parse_size("size", text)


@given(st.integers(1, 2**50))
def test_shown_and_parsed_again(size):
    assert parse_size("size", show_size(size)) == size
