# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime

import pytest

from ansible_collections.virtnet.qemu.plugins.module_utils._spec.base import SpecError
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.guest_exec import Command, Outcome, report, summary

PARAMS = {"name": "web1", "argv": ["echo", "a b"], "socket": None, "stdin": None, "expected_rc": [0]}
START = datetime.datetime(2026, 11, 21, 7, 14, 14)
END = START + datetime.timedelta(seconds=1.5)


def parse(**params):
    return Command.parse({**PARAMS, **params})


def test_defaults():
    assert parse() == Command("web1", "/run/virtnet/guests/web1/agent.sock", ("echo", "a b"))


def test_all_options():
    command = parse(socket="/run/x.sock", stdin="ä", expected_rc=[0, 1])
    assert command == Command("web1", "/run/x.sock", ("echo", "a b"), "ä".encode(), (0, 1))
    assert parse(stdin="").stdin == b""


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"name": ""}, "name: '' is not"),
        ({"name": "../x"}, "name: '../x' is not"),
        ({"argv": []}, "argv: it is empty"),
        ({"argv": [""]}, "argv: it is empty"),
    ],
)
def test_wrong_options(params, message):
    with pytest.raises(SpecError, match=message):
        parse(**params)


def test_a_command_that_went_well():
    outcome = Outcome(START, END, rc=0, stdout=b"a\xff\r\n\n", stderr=b" e\n")
    assert report(parse(), outcome) == {
        "name": "web1",
        "cmd": ["echo", "a b"],
        "rc": 0,
        "stdout": "a\N{REPLACEMENT CHARACTER}",
        "stderr": " e",
        "start": "2026-11-21 07:14:14",
        "end": "2026-11-21 07:14:15.500000",
        "delta": "0:00:01.500000",
        "failed": False,
    }


@pytest.mark.parametrize(("rc", "failed"), [(0, True), (1, False), (2, False), (-9, True)])
def test_what_is_expected(rc, failed):
    result = report(parse(expected_rc=[1, 2]), Outcome(START, END, rc=rc))
    assert result["failed"] is failed
    assert result.get("msg") == (f"guest 'web1': 'echo a b' ended with {rc}, not 1 or 2" if failed else None)


def test_a_command_that_did_not_get_as_far():
    result = report(parse(), Outcome(START, END, error="no agent"))
    assert (result["rc"], result["failed"], result["msg"]) == (None, True, "no agent")


def test_one_message_for_many():
    outcomes = [Outcome(START, END, rc=0), *[Outcome(START, END, error="no agent")] * 2, Outcome(START, END, rc=1)]
    text = summary([report(parse(), outcome) for outcome in outcomes])
    assert text == "3 of 4 commands failed: no agent; guest 'web1': 'echo a b' ended with 1, not 0"
