# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.virtnet.qemu.plugins.module_utils._spec.base import SpecError
from tests.unit.guests import want


def display(**entry):
    return want(display=entry).definition.display


def test_vnc_on_a_number():
    shown = display(type="vnc", number=1)
    assert (shown.address, shown.port, shown.socket) == ("127.0.0.1", 5901, None)


def test_vnc_on_a_socket_of_the_guest():
    assert display(type="vnc").socket == "/run/virtnet/guests/web1/vnc.sock"


def test_a_password_is_never_shown():
    shown = display(type="vnc", password="sesame")
    assert shown.has_password
    assert "sesame" not in repr(shown)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"number": 1}, ["display.number", "type: vnc"]),
        ({"password": "x"}, ["display.password", "type: vnc"]),
        ({"type": "vnc", "number": 1, "socket": "/run/x"}, ["'number'", "'socket'"]),
        ({"type": "vnc", "address": "127.0.0.1"}, ["display.address", "'number'"]),
        ({"type": "vnc", "number": -1}, ["display.number", "-1"]),
        ({"type": "vnc", "number": 60000}, ["display.number", "60000"]),
        ({"type": "vnc", "number": 1, "address": "localhost"}, ["display.address", "localhost"]),
        ({"type": "vnc", "password": "123456789"}, ["display.password", "8 bytes"]),
        ({"type": "vnc", "socket": "vnc.sock"}, ["display.socket", "absolute"]),
        ({"type": "vnc", "socket": "/" + "x" * 107}, ["display.socket", "108 bytes", "107"]),
    ],
)
def test_refused(entry, words):
    with pytest.raises(SpecError) as caught:
        display(**entry)
    assert [word for word in words if word not in str(caught.value)] == []
    assert "123456789" not in str(caught.value)


@pytest.mark.parametrize("order", ["x", "cc", "c,d", "C"])
def test_a_boot_order_is_of_qemus_letters(order):
    with pytest.raises(SpecError, match=r"boot\.once"):
        want(boot={"order": "cdn", "once": order})
