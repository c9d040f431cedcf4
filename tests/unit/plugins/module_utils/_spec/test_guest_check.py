# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is refused before anything is touched, and what an earlier task has to make."""

from __future__ import annotations

import pytest

from ansible_collections.virtnet.qemu.plugins.module_utils._spec.base import SpecError
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.guest_world import Account, BridgeHelper
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.size import GIB
from tests.unit.guests import ACCOUNTS, HELPER, USER, image, link, plain_file, planned, tap, want, world

BASE = {"/var/lib/virtnet/images/b.qcow2": image(size=2 * GIB)}
OVERLAY = "/var/lib/virtnet/guests/web1/a.qcow2"
TWO_QUEUES = {"multi_queue": True}


def refusal(guest, **host):
    there = world(guest, **host)
    with pytest.raises(SpecError) as caught:
        guest.target(there, guest.have(there))
    return str(caught.value)


def missing(guest, **host):
    there = world(guest, **host)
    guest.target(there, guest.have(there))
    return there.missing


def check(message, words):
    assert message.startswith("guest 'web1': ")
    assert [word for word in words if word not in message] == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"memory": "9G"}, ["memory", "9216M", "8192M"]),
        ({"machine": "q36"}, ["machine", "'q36'", "did you mean 'q35'", "pc-q35-7.2"]),
        ({"cpu": "Pentium"}, ["cpu", "'Pentium'", "EPYC, qemu64"]),
        ({"cpu": "host"}, ["cpu", "KVM", "'max'"]),
        ({"accel": "kvm"}, ["accel", "there is no /dev/kvm", "tcg"]),
        ({"initrd": "/i"}, ["initrd", "'kernel'"]),
        (
            {"nics": [{"bridge": "br-lab", "model": "e1001"}]},
            ["nics[0].model", "'e1001'", "e1000, rtl8139, virtio-net-pci"],
        ),
        ({"nics": [{"bridge": "br-lab", "vhost": True}]}, ["nics[0].vhost", "/dev/vhost-net"]),
        ({"nics": [{"bridge": "br-lab", "vhost": True, "model": "e1000"}]}, ["nics[0].vhost", "virtio"]),
        ({"display": {"type": "vnc", "number": 3}}, ["display.number", "5903/tcp", "127.0.0.1", "in use"]),
        ({"nics": [{"type": "user", "hostfwd": [{"port": 8080}]}]}, ["nics.hostfwd", "8080/tcp", "in use"]),
        ({"nics": [{"type": "user", "hostfwd": [{"port": 80}]}]}, ["nics.hostfwd", "80", "root", "1024"]),
    ],
)
def test_what_the_host_or_its_qemu_does_not_have(options, words):
    taken = {("tcp", "127.0.0.1", port): "is in use by another program" for port in (5903, 8080)}
    check(refusal(want(**options), taken=taken), words)


@pytest.mark.parametrize(
    ("options", "link_found", "words"),
    [
        ({"bridge": "br-lab"}, link("web1-0", "dummy"), ["nics[0].ifname", "'web1-0' exists already"]),
        ({"bridge": "br-lab"}, tap("web1-0"), ["nics[0].ifname", "not this guest's"]),
        ({"bridge": "br-lab"}, tap("web1-0", "web2"), ["nics[0].ifname", "not this guest's"]),
        ({"bridge": "br-lab"}, tap("web1-0", "web1", carrier=True), ["nics[0].ifname", "in use by another program"]),
        ({"bridge": "eth0"}, link("eth0", ""), ["nics[0].bridge", "'eth0'", "not a bridge"]),
        ({"ifname": "t"}, link("t", "dummy"), ["nics[0].ifname", "'t'", "tun"]),
        ({"ifname": "t"}, tap("t", info={"mode": "tun"}), ["nics[0].ifname", "layer 3"]),
        ({"ifname": "t"}, tap("t", carrier=True), ["nics[0].ifname", "in use"]),
        ({"ifname": "t"}, tap("t", info={"owner": 1000}), ["nics[0].ifname", f"'{USER}'", "owner"]),
        ({"ifname": "t"}, tap("t", info=TWO_QUEUES), ["nics[0].queues", "many"]),
        ({"ifname": "t", "queues": 2}, tap("t"), ["nics[0].queues", "multi_queue"]),
    ],
)
def test_taps_that_cannot_be_used(options, link_found, words):
    check(refusal(want(nics=[options]), links=(link_found,)), words)


@pytest.mark.parametrize("found", [tap("web1-0", "web1"), tap("web1-0", unfinished=True)])
def test_a_tap_that_a_killed_run_left_is_no_hindrance(found):
    planned(want(nics=[{"bridge": "br-lab"}]), links=(found,))


def test_a_tap_made_for_the_guest_will_do():
    planned(want(nics=[{"ifname": "t", "queues": 2}]), links=(tap("t", info=TWO_QUEUES),))
    planned(want(nics=[{"ifname": "t"}]), links=(tap("t", info={"owner": 1000, "group": 995}),))


@pytest.mark.parametrize(
    ("disk", "file", "words"),
    [
        ({}, image(None), ["disks[0].file", "not a disk image", "it is torn"]),
        ({}, image("raw", file_size=13), ["disks[0].file", "not a disk image", "13 bytes"]),
        ({}, image("raw", file_size=0), ["disks[0].file", "not a disk image"]),
        ({"format": "qcow2"}, image("raw", file_size=512), ["disks[0].file", "not a qcow2 image but raw"]),
        ({"base": "b.qcow2"}, image(), ["disks[0].base", "overlay over nothing", "made anew"]),
        ({"base": "b.qcow2"}, image(backing="/srv/c"), ["disks[0].base", "overlay over /srv/c"]),
        ({"size": "512M"}, image(), ["disks[0].size", "1G already", "smaller"]),
        ({}, image(writable=False), ["disks[0].file", f"'{USER}' cannot write", "read_only"]),
        ({}, image(readable=False), ["disks[0].file", f"'{USER}' cannot read"]),
        ({}, plain_file(regular=False), ["disks[0].file", "not a file"]),
        ({"base": "b.qcow2", "size": "1G"}, None, ["disks[0].size", "1G is less than the 2G of its base"]),
        ({"base": "/torn"}, None, ["disks[0].base", "'/torn' is not a disk image"]),
    ],
)
def test_disks_that_cannot_be_used(disk, file, words):
    files = {**BASE, "/torn": image(None), **({OVERLAY: file} if file else {})}
    check(refusal(want(disks=[{"file": "a.qcow2", **disk}]), files=files), words)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kernel": "/k"}, ["kernel", "'/k' does not exist"]),
        ({"kernel": "/there", "initrd": "/i"}, ["initrd", "'/i' does not exist"]),
        ({"disks": [{"file": "/no.img"}]}, ["disks[0].file", "'/no.img'", "'base' or 'size'"]),
        ({"disks": [{"file": "no.iso", "cdrom": True}]}, ["disks[0].file", "/var/lib/virtnet/images/no.iso"]),
        ({"disks": [{"file": "a", "base": "/no"}]}, ["disks[0].base", "'/no'"]),
        ({"disks": [{"file": "/no/a", "size": "1G"}]}, ["disks[0].file", "folder '/no'"]),
        ({"nics": [{"bridge": "br-x"}]}, ["nics[0].bridge", "'br-x'"]),
        ({"nics": [{"ifname": "t"}]}, ["nics[0].ifname", "'t'"]),
        ({"nics": [{"bridge": "br-lab", "script": "/no"}]}, ["nics[0].script", "'/no'"]),
        ({"nics": [{"bridge": "br-lab", "romfile": "/no"}]}, ["nics[0].romfile", "'/no'"]),
        ({"user": "nobody2"}, ["user", "'nobody2'", "host_setup"]),
        ({"emulator": "/opt/qemu"}, ["emulator", "'/opt/qemu'", "host_setup"]),
    ],
)
def test_what_an_earlier_task_has_to_make(options, words):
    (message,) = missing(want(**options), files={"/there": plain_file()})
    check(message, words)


def test_a_disk_is_made_only_where_the_user_can_reach_it():
    guest = want(disks=[{"file": "/srv/a", "size": "1G"}])
    check(
        refusal(guest, files={"/srv": plain_file(regular=False)}), ["disks[0].file", "cannot enter the folder '/srv'"]
    )
    planned(guest, files={"/srv": plain_file(regular=False, executable=True)})


def test_nothing_is_known_of_a_bare_host():
    """In check mode, before host_setup has run."""
    nic = {"type": "bridge", "bridge": "br-lab"}
    guest = want(seed={"hostname": "x"}, disks=[{"file": "a", "size": "1G"}], nics=[nic])
    told = " ".join(missing(guest, emulators={None: None}, accounts={}, tools={}, bridge_helper=None))
    needed = ("qemu-system-x86_64", "'virtnet-qemu'", "qemu-img", "xorriso", "qemu-bridge-helper")
    assert [word for word in needed if word not in told] == []


@pytest.mark.parametrize(
    ("helper", "words"),
    [
        (BridgeHelper(HELPER.path, False, HELPER.config, HELPER.rules), ["setuid", "'tap'"]),
        (BridgeHelper(HELPER.path, True, HELPER.config, ()), ["/etc/qemu/bridge.conf", "'allow br-lab'"]),
        (BridgeHelper(HELPER.path, True, HELPER.config, (("allow", "all"), ("deny", "br-lab"))), ["'allow br-lab'"]),
    ],
)
def test_the_bridge_helper_has_to_be_set_up(helper, words):
    (message,) = missing(want(nics=[{"type": "bridge", "bridge": "br-lab"}]), bridge_helper=helper)
    check(message, ["nics[0].type", *words])


@pytest.mark.parametrize(
    ("nic", "supervisor", "refused"),
    [
        ({"type": "bridge", "bridge": "br-lab"}, "daemon", True),
        ({"bridge": "br-lab"}, "systemd", True),
        ({"bridge": "br-lab"}, "daemon", False),
        ({"type": "user"}, "systemd", False),
    ],
)
def test_who_opens_the_tun_device(nic, supervisor, refused):
    accounts = {USER: Account(995, 995, tun="user 'virtnet-qemu' cannot open /dev/net/tun")}
    guest = want(nics=[nic], supervisor=supervisor)
    if refused:
        check(refusal(guest, accounts=accounts), ["nics[0].type", "/dev/net/tun", "chmod 0666"])
    else:
        planned(guest, accounts=accounts)


def test_a_script_has_to_be_executable():
    guest = want(nics=[{"bridge": "br-lab", "downscript": "/d"}])
    check(refusal(guest, files={"/d": plain_file()}), ["nics[0].downscript", "'/d' is not executable", "chmod +x"])


def test_tcg_unasked_is_worth_a_warning():
    there = world(guest := want())
    # Once for all guests of a run.
    for _guest in range(2):
        guest.target(there, None)
    assert there.warnings == ["guests run without KVM, so many times slower: there is no /dev/kvm"]
    there = world(guest := want(accel="tcg"))
    guest.target(there, None)
    assert there.warnings == []


def test_kvm_where_it_works():
    after = planned(want(), accounts={**ACCOUNTS, USER: Account(995, 995)})
    assert after.argv[after.argv.index("-accel") + 1] == "kvm"


def other(**options):
    """Another guest that runs on the host."""
    return planned(want("web2", **options), files={**BASE, "/d": image(), "/b": image(backing=None)})


@pytest.mark.parametrize(
    ("mine", "others", "words"),
    [
        (
            {"nics": [{"bridge": "br-lab", "mac": "52:54:00:00:00:02"}]},
            {"nics": [{"type": "user"}, {"type": "user", "mac": "52:54:00:00:00:02"}]},
            ["nics[0].mac: 52:54:00:00:00:02", "guest 'web2' (nics[1].mac"],
        ),
        (
            {"nics": [{"bridge": "br-lab", "ifname": "x"}]},
            {"nics": [{"bridge": "br-lab", "ifname": "x"}]},
            ["nics[0].ifname: tap 'x'", "guest 'web2'"],
        ),
        ({"disks": [{"file": "/d"}]}, {"disks": [{"file": "/d"}]}, ["disks[0].file: '/d'", "guest 'web2'"]),
        ({"disks": [{"file": "/d", "read_only": True}]}, {"disks": [{"file": "/d"}]}, ["disks[0].file: '/d'"]),
        ({"disks": [{"file": "/d"}]}, {"disks": [{"file": "o", "base": "/d"}]}, ["(disks[0].base: '/d')"]),
        (
            {"nics": [{"type": "user", "hostfwd": [{"port": 5901, "address": "0.0.0.0"}]}]},
            {"display": {"type": "vnc", "number": 1}},
            ["nics.hostfwd: port 5901/tcp", "(display.number: port 5901/tcp)"],
        ),
        (
            {"nics": [{"type": "user", "hostfwd": [{"port": 5901}]}]},
            {"display": {"type": "vnc", "number": 1, "address": "0.0.0.0"}},
            ["nics.hostfwd: port 5901/tcp"],
        ),
        (
            {"display": {"type": "vnc", "socket": "/run/x"}},
            {"display": {"type": "vnc", "socket": "/run/x"}},
            ["display.socket: '/run/x'"],
        ),
        ({"uuid": "2f0c1e9a-6f0b-4d1e-9a52-0d3b5f3c7a11"}, {"uuid": "2F0C1E9A-6f0b-4d1e-9a52-0d3b5f3c7a11"}, ["uuid"]),
    ],
)
def test_what_another_guest_has(mine, others, words):
    files = {**BASE, "/d": image()}
    check(refusal(want(**mine), guests=(other(**others),), files=files), words)


@pytest.mark.parametrize(
    ("mine", "others"),
    [
        ({"disks": [{"file": "/d", "read_only": True}]}, {"disks": [{"file": "/d", "read_only": True}]}),
        ({"disks": [{"file": "a", "base": "/b"}]}, {"disks": [{"file": "o", "base": "/b"}]}),
        (
            {"nics": [{"type": "user", "hostfwd": [{"port": 5901, "address": "127.0.0.2"}]}]},
            {"display": {"type": "vnc", "number": 1}},
        ),
    ],
)
def test_what_two_guests_can_share(mine, others):
    planned(want(**mine), guests=(other(**others),), files={**BASE, "/d": image(), "/b": image()})


def test_two_of_one_list_are_compared_too():
    guests = [want(name, nics=[{"bridge": "br-lab", "mac": "52:54:00:00:00:01"}]) for name in ("web1", "web2")]
    there = world(*guests)
    with pytest.raises(SpecError, match="guest 'web1'.*also that of guest 'web2'"):
        guests[0].target(there, None)


def test_a_guest_may_keep_the_port_it_has():
    display = {"type": "vnc", "number": 1}
    running = planned(want(display=display))
    taken = {("tcp", "127.0.0.1", 5901): "is in use by another program"}
    planned(want(display=display, memory="2G"), guests=(running,), taken=taken)
