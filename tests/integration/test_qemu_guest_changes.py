# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module qemu_guest with guests that have nothing to boot: what it changes, undoes, and leaves behind."""

from __future__ import annotations

import json
import os
import select

import pytest

from tests.integration.support import fails, vnc
from tests.integration.support.examples import examples
from tests.integration.support.hypervisor import (
    IDLE,
    IMAGES,
    USER,
    bootable,
    guest,
    guests,
    left_over,
    links,
    offer_tun,
    prepare,
    processes,
    wait_end,
)

pytestmark = pytest.mark.newest_end

NIC = {"bridge": "br-lab"}
DISK = {"file": "a.qcow2", "size": "1M"}
SCRIPT = '#!/bin/sh\necho "{what} $1 $(id -un) $(cat /sys/class/net/$1/operstate)" >> /run/said\n'


@pytest.fixture
def host(host):
    prepare(host)
    return host


def bridge_of(host, name):
    (link,) = json.loads(host.run(["ip", "-json", "link", "show", name]).stdout)
    return link.get("master")


def script(host, path, text):
    host.path(path).write_text(text)
    host.path(path).chmod(0o755)
    return path


@pytest.mark.both_ends
def test_many_guests_are_one_transaction(play, host):
    several = [{"name": f"g{n}", **IDLE, "nics": [NIC]} for n in range(3)]
    seed, display = {"hostname": "x"}, {"type": "vnc", "password": "sesame"}
    wrong = {**several[2], "disks": [DISK], "seed": seed, "display": display, "arguments": ["-no-such-option"]}
    (failed,) = play(host, [fails(guests(*several[:2], wrong))])
    assert "guest-g2" in failed.msg and "no-such-option" in failed.msg
    assert failed.msg.endswith("Everything is as it was before")
    assert left_over(host) == []

    stopped_ones = [{"name": g["name"], "state": "stopped"} for g in several[:2]]
    made, again, stopped = play(host, [guests(*several), guests(*several), guests(*stopped_ones)])
    assert [told["running"] for told in made["guests"]] == [True] * 3
    assert len({told["pid"] for told in made["guests"]}) == 3
    assert not again.changed
    assert [told["running"] for told in stopped["guests"]] == [False] * 2
    assert links(host) == {"lo", "br-lab", "g2-0"}
    (gone,) = play(host, [guests(purge=True)])
    assert gone.changed
    assert left_over(host) == []


@pytest.mark.both_ends
def test_a_running_guest_that_is_changed(play, host):
    host.run(["ip", "link", "add", "br-back", "type", "bridge"])
    old = {**IDLE, "nics": [NIC], "seed": {"hostname": "x"}}
    first, moved, larger, failed, restarted, resized = play(
        host,
        [
            guest(**old),
            guest(nics=[{"bridge": "br-back"}]),
            guest(memory="40M"),
            fails(guest(arguments=["-bad"], allow_restart=True)),
            guest(allow_restart=True),
            guest(disks=[DISK], allow_restart=True),
        ],
    )
    (before,), (after,) = first["guests"], moved["guests"]
    assert after["pid"] == before["pid"] and not after["restart_required"]
    assert moved.commands[-1] == "ip link set dev web1-0 master br-back"

    (told,) = larger["guests"]
    assert told["pid"] == before["pid"] and told["restart_required"]

    # The one with the bad argument is back as it was: it runs, still with the old memory, and waits for a restart.
    assert "-bad" in failed.msg
    (told,) = restarted["guests"]
    assert told["running"] and not told["restart_required"]
    assert "-bad" not in told["argv"]
    assert bridge_of(host, "web1-0") == "br-back"
    (command,) = processes(host)
    assert " -m 40 " in command and "a.qcow2" in command
    assert resized["guests"][0]["running"]


def test_disks_grow_and_can_be_kept(play, host):
    def disk(size, **options):
        return guest(**IDLE, disks=[{**DISK, "size": size}], **options)

    running, pending, grown, smaller, _absent = play(
        host,
        [
            *(disk("1M"), disk("2M"), disk("2M", state="stopped"), fails(disk("1M", state="stopped"))),
            guest(state="absent", keep_disks=True),
        ],
    )
    # While the guest runs it does not grow.
    assert not any("resize" in command for command in running.commands + pending.commands)
    assert any("resize" in command for command in grown.commands)
    assert "2M already" in smaller.msg
    kept = "/var/lib/virtnet/guests/web1/a.qcow2"
    assert left_over(host) == [kept]
    assert json.loads(host.run(["qemu-img", "info", "--output=json", kept]).stdout)["virtual-size"] == 2 << 20


def test_scripts_around_the_taps_life(play, host):
    up = script(host, "/run/up", SCRIPT.format(what="up"))
    down = script(host, "/run/down", SCRIPT.format(what="down"))
    bad = script(host, "/run/bad", "#!/bin/sh\necho no luck >&2\nexit 3\n")
    started, stopped, not_started, _started, stopped_anyway = play(
        host,
        [
            guest(**IDLE, nics=[{**NIC, "script": up, "downscript": down}]),
            guest(state="stopped"),
            fails(guest(nics=[{**NIC, "script": bad}])),
            guest(nics=[{**NIC, "downscript": bad}]),
            guest(state="stopped"),
        ],
    )
    said = [line.split() for line in host.path("/run/said").read_text().splitlines()]
    assert [words[:3] for words in said] == [["up", "web1-0", "root"], ["down", "web1-0", "root"]]
    # The tap was there each time.
    assert [len(words) for words in said] == [4, 4]
    assert f"{up} web1-0" in started.commands
    assert stopped.commands[-2:] == [f"{down} web1-0", "ip link delete dev web1-0"]
    # One that fails stops the start, but not the end.
    assert "'/run/bad web1-0' failed: no luck" in not_started.msg
    assert stopped_anyway.warnings == ["'/run/bad web1-0' failed: no luck"]
    assert links(host) == {"lo", "br-lab"}


def test_a_tap_that_someone_else_made_is_used_and_left(play, host):
    made = {"virtnet.qemu.tap": {"name": "mine", "bridge": "br-lab", "owner": "virtnet-qemu"}}
    _tap, started, stopped = play(host, [made, guest(**IDLE, nics=[{"ifname": "mine"}]), guest(state="stopped")])
    assert not any(command.startswith("ip ") for command in started.commands + stopped.commands)
    assert bridge_of(host, "mine") == "br-lab"


def test_the_bridge_helper(play, host):
    nic = {"type": "bridge", "bridge": "br-lab"}
    config, helper = host.path("/etc/qemu/bridge.conf"), host.path("/usr/lib/qemu/qemu-bridge-helper")
    offer_tun(host, 0o666)
    helper.chmod(0o755)
    config.parent.mkdir(exist_ok=True)
    config.write_text("deny br-other\n")
    (refused,) = play(host, [fails(guest(**IDLE, nics=[nic]))])
    assert "neither setuid root" in refused.msg and "'allow br-lab'" in refused.msg

    helper.chmod(0o4755)
    config.write_text("allow br-lab\n")
    (started,) = play(host, [guest(**IDLE, nics=[nic])])
    assert started["guests"][0]["running"]
    (tap,) = links(host) - {"lo", "br-lab"}
    assert bridge_of(host, tap) == "br-lab"
    play(host, [guest(state="absent")])
    assert left_over(host) == []


def test_a_vnc_password(play, host):
    def display(password):
        return guest(**IDLE, display={"type": "vnc", "password": password})

    first, again, changed = play(host, [display("sesame"), display("sesame"), display("tulip")], diff=True)
    assert not again.changed
    socket = host.path(first["guests"][0]["sockets"]["vnc"])
    assert vnc.accepts(socket, "tulip")
    assert not vnc.accepts(socket, "sesame")
    assert first["guests"][0]["pid"] == changed["guests"][0]["pid"]
    assert "sesame" not in json.dumps([first, again, changed]) + "".join(processes(host))
    found = host.path("/etc/virtnet/guests/web1.vnc-password").stat()
    assert found.st_mode & 0o777 == 0o400 and found.st_uid != 0
    play(host, [guest(state="restarted")])
    assert vnc.accepts(socket, "tulip")


def test_the_documented_examples(play, host, micro_cloud_image):
    options = bootable(host, micro_cloud_image)
    for name in ("debian13.qcow2", "box.qcow2"):
        host.run(["qemu-img", "create", "-q", "-f", "qcow2", f"{IMAGES}/{name}", "10G"])
        host.run(["chown", USER, f"{IMAGES}/{name}"])
    host.path(f"{IMAGES}/netinst.iso").write_bytes(bytes(1 << 20))
    assert options["kernel"] == "micro/vmlinuz"
    tasks = examples("qemu_guest")
    # There is nothing in it that would feel its power button.
    tasks[0]["virtnet.qemu.qemu_guest"]["stop_timeout"] = 1
    results = play(host, tasks)
    assert [result.changed for result in results] == [True] * len(tasks)
    running = [[told["running"] for told in result["guests"]] for result in results]
    assert running == [[True], [True], [True], [True, True], [True], [True], [False], []]
    assert "-m 2048 " in " ".join(results[4]["guests"][0]["argv"])
    assert results[5]["guests"][0]["pid"] == results[4]["guests"][0]["pid"]


def test_a_run_that_was_killed_is_made_good_by_the_next(play, host):
    os.mkfifo(host.path("/run/reached"))
    waits = script(host, "/run/up", "#!/bin/sh\necho $PPID > /run/reached\nexec sleep infinity\n")
    task = guest(**IDLE, nics=[{**NIC, "script": waits}], disks=[DISK])
    run = play.start(host, [task])
    reached = os.open(host.path("/run/reached"), os.O_RDONLY | os.O_NONBLOCK)
    assert select.select([reached], [], [], 120)[0]
    module = os.read(reached, 64).decode().strip()
    os.close(reached)
    host.run(["kill", "-KILL", module])
    (killed,) = run.finish()
    assert killed.failed
    assert bridge_of(host, "web1-0") == "br-lab" and processes(host) == []

    script(host, "/run/up", "#!/bin/sh\n")
    made, again, _absent = play(host, [task, task, guest(state="absent")])
    assert made["guests"][0]["running"]
    assert not again.changed
    assert left_over(host) == []


def test_a_guest_whose_process_was_killed_is_started_again(play, host):
    (first,) = play(host, [guest(**IDLE, nics=[NIC])])
    host.run(["kill", "-KILL", str(first["guests"][0]["pid"])])
    wait_end(host, first["guests"][0]["pid"])
    assert links(host) == {"lo", "br-lab"}
    stale, started = play(host, [guest(state="stopped"), guest()])
    assert not stale.changed
    assert started["guests"][0]["running"]
