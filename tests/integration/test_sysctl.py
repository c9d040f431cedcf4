# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""sysctl: live values of a host, and the file that is read at boot. Only parameters below net. belong to one host."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.support import fails

FILE = "/etc/sysctl.d/60-virtnet.conf"
FORWARD = "net.ipv4.ip_forward"
PORTS = "net.ipv4.ip_local_port_range"


def task(*settings: dict[str, Any], **options: Any) -> dict[str, Any]:
    return {"virtnet.qemu.sysctl": {"config": list(settings), **options}}


def live(host, name: str) -> str:
    return host.run(["sysctl", "-n", name]).stdout.strip()


def test_now_and_at_boot_and_back(play, host):
    before = host.snapshot()
    old = live(host, PORTS)
    settings = [{"name": FORWARD, "value": 1}, {"name": "net/ipv4/ip_local_port_range", "value": "1024 65000"}]
    would = play(host, [task(*settings)], check=True)[0]
    assert host.snapshot() == before
    done, again = play(host, [task(*settings)] * 2)
    assert would.commands == done.commands
    assert (done.changed, again.changed) == (True, False)
    assert (live(host, FORWARD), live(host, PORTS)) == ("1", "1024\t65000")
    # What runs at boot reads the file as we mean it.
    host.run(["sysctl", "-w", f"{FORWARD}=0", f"{PORTS}={old}"])
    host.run(["sysctl", "--load", FILE])
    assert (live(host, FORWARD), live(host, PORTS)) == ("1", "1024\t65000")
    gone, again = play(host, [task({"name": FORWARD, "state": "absent"}, {"name": PORTS, "state": "absent"})] * 2)
    assert (gone.changed, again.changed) == (True, False)
    assert (live(host, FORWARD), live(host, PORTS)) == ("0", old)
    assert not host.path(FILE).exists()


def test_what_somebody_chose_is_kept(play, host):
    host.run(["sysctl", "-w", f"{PORTS}=1024 65000"])
    kept = {"name": PORTS, "value": "2048 65000", "keep": ["1024\t65000"]}
    (idle,) = play(host, [task(kept)])
    assert not idle.changed and live(host, PORTS) == "1024\t65000"
    assert not host.path(FILE).exists()
    other = {**kept, "value": "1024 65000", "keep": ["1 2"]}
    # What this module set is no choice of somebody's.
    first, second = play(host, [task(other), task(kept)])
    assert first.changed and second.changed
    assert live(host, PORTS) == "2048\t65000"


def test_one_by_flat_options_in_another_file_that_has_lines_of_others(play, host):
    file = "/etc/sysctl.d/70-mine.conf"
    host.path(file).write_text("# mine\nnet.core.somaxconn = 1000\n")
    flat = {"virtnet.qemu.sysctl": {"name": FORWARD, "value": "1", "sysctl_file": file}}
    (done,) = play(host, [flat], diff=True)
    assert done["diff"]["after"] == f"name: {FORWARD}\nvalue: '1'\n{file}: '1'\n\n"
    text = host.path(file).read_text()
    assert "# mine\nnet.core.somaxconn = 1000\n" in text
    assert text.endswith(f"# was: 0\n{FORWARD} = 1\n")
    play(host, [{"virtnet.qemu.sysctl": {"name": FORWARD, "state": "absent", "sysctl_file": file}}])
    assert host.path(file).read_text() == "# mine\nnet.core.somaxconn = 1000\n"


def test_a_value_changed_by_hand_is_set_again_and_the_first_one_comes_back(play, host):
    """What a run that was killed leaves looks the same: the file comes first."""
    play(host, [task({"name": FORWARD, "value": 1})])
    host.run(["sysctl", "-w", f"{FORWARD}=0"])
    play(host, [task({"name": FORWARD, "value": 1})])
    assert live(host, FORWARD) == "1"
    play(host, [task({"name": FORWARD, "value": 1}), task({"name": FORWARD, "state": "absent"})])
    assert live(host, FORWARD) == "0"


def test_purge_puts_back_what_is_not_listed(play, host):
    old = live(host, PORTS)
    play(host, [task({"name": FORWARD, "value": 1}, {"name": PORTS, "value": "1024 65000"})])
    play(host, [task({"name": FORWARD, "value": 1}, purge=True)])
    assert (live(host, FORWARD), live(host, PORTS)) == ("1", old)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"name": "net.ipv4.no_such", "value": 1}, ["name", "'net.ipv4.no_such'", "no parameter"]),
        ({"name": FORWARD, "value": "yes"}, ["value", "'yes'", FORWARD, "Invalid argument"]),
        ({"name": "net.ipv4.route.flush", "value": 1}, ["net.ipv4.route.flush", "cannot be read"]),
        ({"name": FORWARD}, ["value", "not given"]),
    ],
)
def test_a_refusal_leaves_all_as_it_was(play, host, setting, words):
    before = host.snapshot()
    (result,) = play(host, [fails(task({"name": PORTS, "value": "1024 65000"}, setting))])
    for word in words:
        assert word in result.msg
    after = host.snapshot()
    after["files"] = {path: what for path, what in after["files"].items() if not path.startswith("/run/virtnet")}
    assert after == before


def test_in_check_mode_a_parameter_may_be_missing_yet(play, host):
    (result,) = play(host, [task({"name": "net.ipv4.no_such", "value": 1})], check=True)
    assert result.changed
    assert "'net.ipv4.no_such'" in str(result.warnings)
