# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.virtnet.qemu.plugins.module_utils._spec import uplink_tag
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.base import SpecError


@pytest.mark.parametrize(
    ("uplink", "own"),
    [("eth0", ()), ("eth0", ("10.9.0.1/24", "fd00::1/64")), ("own=", ("10.9.0.1/24",)), ("a'b$c;d", ())],
)
def test_what_is_written_is_read(uplink, own):
    assert uplink_tag.read(uplink_tag.write(uplink, own)) == (uplink, own)


@pytest.mark.parametrize("alias", [None, "", "virtnet.qemu", "virtnet.qemu guest=web1", "uplink=eth0"])
def test_other_aliases_name_no_uplink(alias):
    assert uplink_tag.read(alias) == (None, ())


def test_without_an_uplink_it_is_the_plain_mark():
    assert uplink_tag.write(None, ("10.9.0.1/24",)) == "virtnet.qemu"


def test_more_than_the_kernel_can_note_is_refused():
    with pytest.raises(SpecError, match="addresses: the kernel has no room to note all 20 beside the uplink 'eth0'"):
        uplink_tag.write("eth0", tuple(f"10.{n}.0.1/24" for n in range(100, 120)))
