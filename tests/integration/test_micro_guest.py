# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module that builds the micro guest; what it builds is booted in test_micro_guest_running.py."""

from __future__ import annotations

import json
import os
import select
import shutil

import pytest

from tests.integration.support import fails
from tests.integration.support.examples import examples

pytestmark = pytest.mark.newest_end

DEST = "/var/lib/virtnet/images/micro"
NAMES = ["initrd.img", "manifest.json", "vmlinuz"]


@pytest.fixture
def host(host, package_repository):
    """A host whose apt can fetch the packages, once its lists are updated."""
    package_repository.offer(host)
    return host


@pytest.fixture
def updated(host):
    host.run(["apt-get", "update"])
    return host


@pytest.fixture
def built(updated, micro_image):
    """A host with the image in its place."""
    shutil.copytree(micro_image, updated.path(DEST))
    return updated


def guest(**options):
    return {"virtnet.qemu.micro_guest": {"dest": DEST, **options}}


def files(host):
    return {path.name: path.read_bytes() for path in host.path(DEST).iterdir()}


def packages_and_boot(host):
    return host.run(["sh", "-c", "ls -lR /boot /lib/modules; cat /var/lib/dpkg/status"], check=False).stdout


def test_it_builds_from_packages_and_installs_none(play, host, micro_image):
    before = packages_and_boot(host)
    first, second = play(host, [guest(update_cache=True), guest(update_cache=True)], diff=True)
    assert first.changed
    assert not second.changed
    assert second.commands == []
    assert sorted(files(host)) == NAMES
    assert packages_and_boot(host) == before
    assert [host.path(DEST).joinpath(name).stat().st_mode & 0o777 for name in NAMES] == [0o644] * 3
    assert first["kernel"] == second["kernel"] == f"{DEST}/vmlinuz"
    assert first["initrd"] == second["initrd"] == f"{DEST}/initrd.img"

    kernel = next(name for name in first["packages"] if name.startswith("linux-image-"))
    assert {"busybox-static", "qemu-guest-agent", "libc6"} < set(first["packages"])
    assert json.loads(files(host)["manifest.json"])["packages"] == first["packages"] == second["packages"]
    assert first.commands[0] == "apt-get -q update"
    assert f"{kernel}={first['packages'][kernel]}" in first.commands[1].split()
    assert first["diff"] == {
        "before": {},
        "after": {**json.loads(files(host)["manifest.json"])["inputs"], "packages": first["packages"]},
    }
    # Built elsewhere, at another time, into another directory: the same bytes.
    assert files(host) == {path.name: path.read_bytes() for path in micro_image.iterdir()}


def test_check_mode_changes_nothing_and_says_what_would_be(play, updated):
    would, absent = play(updated, [guest(), guest(state="absent")], check=True)
    assert would.changed
    assert would.commands[0].startswith("apt-get -q download linux-image-")
    assert not absent.changed
    assert not updated.path(DEST).exists()


@pytest.mark.parametrize("name", ["vmlinuz", "initrd.img"])
@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_a_damaged_file_is_noticed(play, built, name, damage):
    path = built.path(DEST) / name
    path.write_bytes(path.read_bytes()[:-1])
    if damage == "gone":
        path.unlink()
    (would,) = play(built, [guest()], check=True, diff=True)
    assert would.changed
    assert would["diff"]["before"]["files"] == "damaged or missing"


def test_a_damaged_image_is_built_anew(play, built):
    good = files(built)
    (built.path(DEST) / "initrd.img").write_bytes(b"")
    (result,) = play(built, [guest()])
    assert result.changed
    assert files(built) == good


@pytest.mark.parametrize(
    ("options", "changed"),
    [
        ({}, False),
        ({"modules": ["virtio_net", "virtio-blk"]}, False),
        ({"modules": ["vmxnet3"]}, True),
        ({"flavour": "cloud-amd64"}, True),
        ({"force": True}, True),
        ({"state": "latest"}, False),
    ],
)
def test_what_makes_a_new_build(play, built, options, changed):
    (result,) = play(built, [guest(**options)], check=True)
    assert result.changed is changed


def test_latest_follows_the_packages_and_present_does_not(play, built):
    manifest = built.path(DEST) / "manifest.json"
    record = json.loads(manifest.read_text())
    record["packages"]["busybox-static"] = "1:1.0-1"
    manifest.write_text(json.dumps(record))
    present, latest = play(built, [guest(), guest(state="latest")], check=True, diff=True)
    assert not present.changed
    assert present["packages"]["busybox-static"] == "1:1.0-1"
    assert latest.changed
    assert latest["packages"]["busybox-static"] != "1:1.0-1"
    assert latest["diff"]["before"]["packages"]["busybox-static"] == "1:1.0-1"


def test_without_apt_lists_a_finished_image_is_enough(play, host, micro_image):
    shutil.copytree(micro_image, host.path(DEST))
    present, latest = play(host, [guest(), fails(guest(state="latest"))])
    assert not present.changed
    assert "apt knows no package linux-image-amd64" in latest.msg
    assert "'update_cache: true'" in latest.msg


def test_more_modules_are_included_with_what_they_need(play, updated):
    (result,) = play(updated, [guest(modules=["ahci"])])
    listing = updated.run(["sh", "-c", f"zcat {result['initrd']} | cpio --list --quiet"]).stdout
    assert "/kernel/drivers/ata/ahci.ko" in listing
    assert "/kernel/drivers/ata/libata.ko" in listing
    dependencies = updated.run(["sh", "-c", f"zcat {result['initrd']} | cpio -i --quiet --to-stdout '*/modules.dep'"])
    (ahci,) = (line for line in dependencies.stdout.splitlines() if "/ahci.ko:" in line)
    assert [path.rpartition("/")[2] for path in ahci.split()[1:]] == [
        "libahci.ko", "libata.ko", "scsi_mod.ko", "scsi_common.ko"
    ]  # fmt: skip


def test_files_of_others_are_refused_and_left(play, host):
    host.path(DEST).mkdir(parents=True)
    (host.path(DEST) / "vmlinuz").write_text("mine")
    for result in play(host, [fails(guest()), fails(guest(state="absent"))]):
        assert f"dest: {DEST}/vmlinuz" in result.msg
        assert "'force: true'" in result.msg
    assert files(host) == {"vmlinuz": b"mine"}


def test_absent_removes_what_was_built_and_no_more(play, built):
    (built.path(DEST) / "notes").write_text("mine")
    would, first, second = play(
        built,
        [{**guest(state="absent"), "check_mode": True}, guest(state="absent"), guest(state="absent")],
    )
    assert would.commands == first.commands == [f"rm {' '.join(f'{DEST}/{name}' for name in NAMES)}"]
    assert not second.changed
    assert files(built) == {"notes": b"mine"}


def test_absent_removes_the_directory_when_nothing_else_is_in_it(play, built):
    first, second = play(built, [guest(state="absent"), guest(state="absent")])
    assert first.commands == [f"rm -r {DEST}"]
    assert not second.changed
    assert not built.path(DEST).exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"modules": ["no_such"]}, "modules: this kernel has no module 'no_such'"),
        ({"modules": ["../x"]}, "modules: '../x' is not the name of a kernel module"),
        ({"dest": "images"}, "dest: 'images' is not an absolute path"),
        ({"dest": "/etc/hostname"}, "dest: /etc/hostname: "),
    ],
)
def test_wrong_options_are_refused_and_nothing_is_left(play, updated, options, message):
    (result,) = play(updated, [fails(guest(**options))])
    assert message in result.msg
    assert not updated.path(DEST).exists()


def test_another_architecture_is_refused(play, host):
    host.path("/usr/bin/dpkg").write_text("#!/bin/sh\necho arm64\n")
    (result,) = play(host, [fails(guest())])
    assert result.msg == "this host is arm64; the micro guest is built on and for amd64 (x86-64) only"


def test_a_host_without_apt_is_refused(play, host):
    host.path("/usr/bin/apt-get").unlink()
    (result,) = play(host, [fails(guest())])
    assert "'apt-get' is not on this host" in result.msg


def test_a_damaged_package_is_a_plain_error(play, updated, package_repository, tmp_path):
    for path in package_repository.folder.iterdir():
        if path.is_file():
            (tmp_path / path.name).symlink_to(path)
    busybox = next(tmp_path.glob("busybox-static_*.deb"))
    data = busybox.read_bytes()
    busybox.unlink()
    busybox.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    package_repository.offer(updated, tmp_path)
    (result,) = play(updated, [fails(guest(update_cache=True))])
    assert "busybox-static" in result.msg
    assert "Hash Sum mismatch" in result.msg
    assert not updated.path(DEST).exists()


def test_the_examples_of_the_documentation(play, updated):
    assert [result.changed for result in play(updated, examples("micro_guest"))] == [True] * 4
    assert not updated.path(DEST).exists()
    assert sorted(path.name for path in updated.path(f"{DEST}-cloud").iterdir()) == NAMES


def test_the_role(play, updated):
    def role(**options):
        variables = {f"micro_guest_{name}": value for name, value in options.items()}
        return {"ansible.builtin.include_role": {"name": "virtnet.qemu.micro_guest"}, "vars": variables}

    def changed(*tasks):
        return [
            result.changed
            for result in play(updated, tasks)
            if result.task == "virtnet.qemu.micro_guest : Build the guest"
        ]

    assert changed(role(), role(), role(modules=[])) == [True, False, False]
    assert sorted(files(updated)) == NAMES
    assert changed(role(state="absent")) == [True]
    assert not updated.path(DEST).exists()


def test_no_root_is_needed(play, updated, package_repository):
    updated.run(["mount", "--bind", str(package_repository.folder), "/mnt"])
    package_repository.offer(updated, "/mnt")
    updated.run(["apt-get", "update"])
    task = {
        **guest(dest="/var/tmp/micro"),
        "vars": {"ansible_python_interpreter": "/usr/bin/python3"},
        "become": True,
        "become_user": "games",
        "become_method": "su",
        "become_flags": "-s /bin/sh",
    }
    (result,) = play(updated, [task])
    assert result.changed
    assert sorted(path.name for path in updated.path("/var/tmp/micro").iterdir()) == NAMES


def test_a_run_that_was_killed_is_made_good_by_the_next(play, updated, micro_image):
    # It is held up where it unpacks, by a stand-in that tells the module's process id and does not end.
    tool = updated.path("/usr/bin/dpkg-deb")
    real = tool.read_bytes()
    os.mkfifo(updated.path("/run/reached"))
    tool.write_text("#!/bin/sh\necho $PPID > /run/reached\nexec sleep infinity\n")
    run = play.start(updated, [guest()])
    reached = os.open(updated.path("/run/reached"), os.O_RDONLY | os.O_NONBLOCK)
    assert select.select([reached], [], [], 120)[0]
    module = os.read(reached, 64).decode().strip()
    os.close(reached)
    updated.run(["kill", "-KILL", module])
    (killed,) = run.finish()
    assert killed.failed
    assert updated.path(f"{DEST}/.build").exists()

    tool.write_bytes(real)
    (result,) = play(updated, [guest()])
    assert result.changed
    assert files(updated) == {path.name: path.read_bytes() for path in micro_image.iterdir()}
