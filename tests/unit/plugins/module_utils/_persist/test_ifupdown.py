# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bridges as files of ifupdown."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from ansible_collections.virtnet.qemu.plugins.module_utils._persist import ifupdown, interfaces_file
from ansible_collections.virtnet.qemu.plugins.module_utils._persist.ifupdown import FOLDER, MAIN, Keeper, Managed
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.base import SpecError
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.bridge import Bridge
from tests.unit.ifupdown_cases import BRIDGES, CASES, MAC, managed, rendered

OURS = f"{FOLDER}/virtnet-br-lan"


@pytest.mark.parametrize("case", BRIDGES)
def test_what_ifupdown_reads(case):
    expected = {path.name: path.read_text() for path in (CASES / case).iterdir() if path.name != "source.interfaces"}
    assert {path.rpartition("/")[2]: text for path, text in rendered(case).items()} == expected


@pytest.mark.parametrize("case", BRIDGES)
def test_what_is_taken_out_is_put_back(case):
    files = rendered(case)
    source = managed(case).tree[MAIN]
    back = ifupdown.without("br-lan", files)
    assert back.pop(OURS, "gone") is None
    assert {MAIN: files[MAIN], **back} == {MAIN: source}
    assert ifupdown.without("br-lan", back) == {}


LINES = st.sampled_from(
    [
        "iface eth0 inet static",
        "iface eth1 inet dhcp",
        "auto eth0",
        "mapping x",
        " address 1",
        "\tup a \\",
        "\\",
        "# c \\",
    ]
    + ["", " ", "source x", "iface", "b \\ "]
)


@given(st.lists(st.tuples(LINES, st.booleans()), max_size=12))
def test_taking_out_and_putting_back_leaves_each_byte(lines):
    text = "\n".join(line for line, _chosen in lines)
    found = interfaces_file.parse(MAIN, text)
    chosen = [one for one in found if one.keyword == "iface" and lines[one.lines[0]][1]]
    out = interfaces_file.taken_out(text, chosen, ifupdown.mark("br0"))
    assert interfaces_file.parse(MAIN, out) == [one for one in found if one not in chosen]
    assert interfaces_file.put_back(out, ifupdown.mark("br0")) == text


def test_two_bridges_share_a_file():
    text = "iface eth0 inet dhcp\niface eth1 inet dhcp\n"
    first = Managed("eth0", MAC, {MAIN: text}).uplink_files(Bridge("br0", uplink="eth0"))
    second = Managed("eth1", MAC, first).uplink_files(Bridge("br1", uplink="eth1"))
    both = {**first, **second}
    assert set(ifupdown.bridges(both)) == {"br0", "br1"}
    assert both[MAIN].count("source ") == 1 and both[MAIN].count("#virtnet.qemu br") == 2
    one = ifupdown.without("br0", both)
    assert one == {ifupdown.path_of("br0"): None, MAIN: both[MAIN].replace("#virtnet.qemu br0# ", "")}
    left = {path: text for path, text in {**both, **one}.items() if text is not None}
    assert ifupdown.without("br1", left) == {ifupdown.path_of("br1"): None, MAIN: text}


def test_a_bridge_of_its_own():
    keeper = Keeper({MAIN: f"source {FOLDER}/*\n"})
    bridge = Bridge("br-lan", addresses=("10.0.0.1/24", "fd00::1/64"), stp=True, forward_delay=4)
    assert keeper.bridge_files(bridge, {}) == {
        OURS: """\
# Written by virtnet.qemu; changes here are lost.
# bridge: br-lan

auto br-lan
no-auto-down br-lan

iface br-lan inet static
    bridge_ports none
    bridge_stp on
    bridge_fd 4
    bridge_maxwait 0
    up ip link set dev $IFACE alias virtnet.qemu
    up ip address replace fd00::1/64 dev $IFACE nodad
    address 10.0.0.1/24
"""
    }
    # It had an uplink once.
    assert keeper.bridge_files(replace(bridge, uplink=""), {}) == keeper.bridge_files(bridge, {})
    # Nothing includes it; another one of ours may have seen to that.
    first = Keeper({MAIN: ""}).bridge_files(bridge, {})
    assert set(first) == {MAIN, OURS}
    assert set(Keeper({MAIN: ""}).bridge_files(Bridge("br1"), first)) == {f"{FOLDER}/virtnet-br1"}
    # ifupdown would take it for a VLAN, or a shell for something else.
    assert [Keeper({MAIN: ""}).bridge_files(Bridge(name), {}) for name in ("br.1", "a$b")] == [None, None]


REFUSED = {
    "mapping": ("mapping eth0\n script x\n", "has a script choose"),
    "pattern": ("mapping e*0\n script x\n", "by 'mapping e*0'"),
    "rename": ("rename mac/52:54:*=eth0\n", "renames an interface to 'eth0'"),
    "inherits": ("iface eth1 inet dhcp inherits eth0\n", "has 'eth1' inherit from 'eth0'"),
    "family": ("iface eth0 ipx static\n", "is 'iface eth0 ipx static'"),
    "method": ("iface eth0 inet ppp\n", "a bridge cannot be 'inet ppp'"),
    "cut": ("iface eth0\n", "is 'iface eth0'"),
}


@pytest.mark.parametrize(("more", "why"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_written_is_refused(more, why):
    managed = Managed("eth0", MAC, {MAIN: "iface eth0 inet dhcp\n" + more})
    with pytest.raises(SpecError) as refused:
        managed.uplink_files(Bridge("br-lan", uplink="eth0"))
    assert f"uplink: what {MAIN} says of 'eth0' cannot be written for a bridge: it " in str(refused.value)
    assert why in str(refused.value) and "persist: none" in str(refused.value)


def test_files_elsewhere_and_odd_names_are_refused():
    elsewhere = Managed("eth0", MAC, {MAIN: "source /srv/x\n", "/srv/x": "iface eth0 inet dhcp\n"})
    with pytest.raises(SpecError, match="/srv/x .*is not below /etc/network"):
        elsewhere.uplink_files(Bridge("br-lan", uplink="eth0"))
    with pytest.raises(SpecError, match="cannot have a bridge with the name 'br.1'"):
        Managed("eth0", MAC, {MAIN: ""}).uplink_files(Bridge("br.1", uplink="eth0"))


def test_lines_are_read_as_ifupdown_does():
    text = "lost 1\n#x \\\niface a inet static\n address 192.0.2.\\\n1/24\n # c\\\n"
    text += "\tup echo \\\n # no comment\nauto a b\nc d\n"
    iface, auto = interfaces_file.parse(MAIN, text)
    assert (iface.words, iface.lines) == (("a", "inet", "static"), (2, 3, 4, 6, 7))
    assert iface.options == (("address", "192.0.2.1/24"), ("up", "echo  # no comment"))
    assert (auto.keyword, auto.words, auto.options) == ("auto", ("a", "b"), ())


@pytest.mark.parametrize(
    ("source", "covers"),
    [
        ("source /etc/network/interfaces.d/*", True),
        ("source interfaces.d/virtnet-*", True),
        ("source /etc/network/interfaces.d/*.cfg", False),
        ("source-directory /etc/network/interfaces.d", True),
        ("source-directory interfaces.d/", True),
        ("source interfaces.d", False),
        ("#source /etc/network/interfaces.d/*", False),
    ],
)
def test_our_files_are_included(source, covers):
    files = Keeper({MAIN: f"{source}\n"}).bridge_files(Bridge("br_1"), {})
    assert (MAIN not in files) == covers
    assert f"{FOLDER}/virtnet-br_5F1" in files
