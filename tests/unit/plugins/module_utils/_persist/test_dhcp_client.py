# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import subprocess

import pytest

from ansible_collections.virtnet.qemu.plugins.module_utils._persist.dhcp_client import script, settings
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.dhcp_client import DhcpClient

WANTS = [
    DhcpClient("lan", "br-lan"),
    DhcpClient("r1", "eth1", netns="r1", metric=0, hostname="hv1"),
    DhcpClient("odd", "it's$(x)\N{LATIN SMALL LETTER E WITH ACUTE}"),
]


@pytest.mark.parametrize("want", WANTS, ids=lambda want: want.name)
def test_a_script_tells_what_it_was_made_of(want):
    given = settings(script(want))
    assert given == {
        "interface": want.interface,
        "netns": want.netns,
        "metric": want.metric,
        "hostname": want.hostname,
    }


@pytest.mark.parametrize("text", [None, "", "#!/bin/sh\n", "# {not json}\n", '# {"other": 1}\n'])
def test_another_text_tells_nothing(text):
    assert settings(text) == {}


@pytest.mark.parametrize("want", WANTS, ids=lambda want: want.name)
def test_the_shell_takes_it(want):
    subprocess.run(["sh", "-n"], input=script(want).encode(), check=True)


def test_an_odd_name_is_one_word():
    text = script(WANTS[2])
    head = text[: text.index("drop()")]
    said = subprocess.run(["sh", "-c", f'{head}echo "$interface"'], capture_output=True, check=True)
    assert said.stdout.decode().strip() == WANTS[2].interface
