# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import string

import pytest
from hypothesis import given, strategies as st

from ansible_collections.virtnet.qemu.plugins.module_utils._persist.sysctl import edit, parse
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.sysctl import Entry

HEAD = '# Written by virtnet.qemu. "was" is the value of before, which comes back when the line below it is removed.\n'
OURS = HEAD + "# was: 0\nnet.ipv4.ip_forward = 1\n# was: 32768 60999\nnet.ipv4.ip_local_port_range = 1024 65000\n"
THEIRS = "# mine\nkernel.sysrq=1\n\n; too\n-net.ipv4.conf.*.rp_filter = 2\nnet/ipv4/conf/eth0.5/forwarding = 0\n"

words = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=5)
names = st.builds("net.{}.{}".format, words, words)
values = st.lists(words, min_size=1, max_size=3).map(" ".join)
entries = st.builds(Entry, values, st.none() | values)


def test_parse():
    assert parse(OURS) == {
        "net.ipv4.ip_forward": Entry("1", "0"),
        "net.ipv4.ip_local_port_range": Entry("1024 65000", "32768 60999"),
    }
    assert parse(THEIRS) == {"kernel.sysrq": Entry("1"), "net.ipv4.conf.eth0/5.forwarding": Entry("0")}
    assert parse("") == {}


def test_the_last_of_two_lines_counts():
    assert parse("a.b = 1\na.b = 2\n") == {"a.b": Entry("2")}


def test_an_empty_value_or_a_line_without_one_sets_nothing():
    assert parse("a.b =\na.c\n") == {}


@pytest.mark.parametrize(
    ("before", "changes", "after"),
    [
        ("", {"net.ipv4.ip_forward": Entry("1", "0")}, HEAD + "# was: 0\nnet.ipv4.ip_forward = 1\n"),
        (OURS, {"net.ipv4.ip_forward": None}, HEAD + "".join(OURS.splitlines(True)[3:])),
        (OURS, {"net.ipv4.ip_forward": None, "net.ipv4.ip_local_port_range": None}, ""),
        (THEIRS, {"a.b": Entry("1", "0")}, HEAD + THEIRS + "# was: 0\na.b = 1\n"),
        (HEAD + THEIRS + "# was: 0\na.b = 1\n", {"a.b": None}, THEIRS),
        (
            THEIRS,
            {"kernel.sysrq": Entry("0", "1")},
            HEAD + THEIRS.replace("kernel.sysrq=1\n", "") + "# was: 1\nkernel.sysrq = 0\n",
        ),
        (THEIRS, {"not.there": None}, THEIRS),
    ],
)
def test_edit(before, changes, after):
    assert edit(before, changes) == after


@given(st.dictionaries(names, entries), st.dictionaries(names, st.none() | entries), st.sampled_from(["", THEIRS]))
def test_what_is_edited_in_is_read_back_and_the_rest_stays(first, changes, others):
    text = edit(edit(others, first), changes)
    expected = {**parse(others), **first, **changes}
    assert parse(text) == {name: entry for name, entry in expected.items() if entry}


@given(st.dictionaries(names, entries))
def test_adding_and_removing_leaves_a_file_as_it_was(added):
    assert edit(edit(THEIRS, added), dict.fromkeys(added)) == THEIRS
