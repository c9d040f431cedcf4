# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""host_setup: a host is prepared, and put back as it was."""

from __future__ import annotations

import stat
import subprocess
import zipfile
from collections.abc import Mapping
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest

from tests.integration.support import TaskResult, fails
from tests.integration.support.packages import Repository
from tests.sandbox import Sandbox

pytestmark = pytest.mark.newest_end

HELPER = "/usr/lib/qemu/qemu-bridge-helper"
CONF = "/etc/qemu/bridge.conf"
ALL = {
    "host_setup_bridge_helper": True,
    "host_setup_bridge_helper_bridges": ["br0", "virbr0"],
    "host_setup_sysctls": {"net.core.somaxconn": "1024"},
    "host_setup_qemu_scripts": True,
}
# The distribution's own Python, as on a host that nobody made a virtual environment for.
OWN_PYTHON = {"ansible_python_interpreter": "/usr/bin/python3"}


class Handmade(Repository):
    """A repository with packages made here: names, and of each the files by their path."""

    def __init__(self, folder: Path, packages: Mapping[str, Mapping[str, bytes]]) -> None:
        self.folder = folder
        for name, files in packages.items():
            self._build(folder / "build" / name, name, files)
        index = (self._record(package) for package in sorted(folder.glob("*.deb")))
        (folder / "Packages").write_text("\n".join(index))

    def _build(self, root: Path, name: str, files: Mapping[str, bytes]) -> None:
        control = f"Package: {name}\nVersion: 1\nArchitecture: all\nMaintainer: tests <tests@example.org>\n"
        for path, content in {"DEBIAN/control": f"{control}Description: test\n".encode(), **files}.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(content)
        argv = ["dpkg-deb", "--root-owner-group", "--build", str(root), str(self.folder)]
        subprocess.run(argv, check=True, capture_output=True)


def role(**options: Any) -> dict[str, Any]:
    return {"name": "Role", "ansible.builtin.include_role": {"name": "virtnet.qemu.host_setup", **options}}


def said(results: list[TaskResult], task: str) -> TaskResult:
    (result,) = [result for result in results if result.task.endswith(f" : {task}")]
    return result


def changed(results: list[TaskResult]) -> list[str]:
    return [result.task for result in results if result.changed]


def allowed(host: Sandbox, path: str = CONF) -> list[str]:
    """The lines of a list of bridges, but comments."""
    return [line for line in host.path(path).read_text().splitlines() if not line.startswith("#")]


def installed(host: Sandbox, package: str) -> bool:
    return "install ok installed" in host.run(["dpkg-query", "--status", package], check=False).stdout


def state(host: Sandbox) -> dict[str, Any]:
    """What must be the same again; but for the lock that every run takes."""
    seen = host.snapshot()
    seen["files"] = {path: what for path, what in seen["files"].items() if not path.startswith("/run/virtnet")}
    seen["helper"] = stat.filemode(host.path(HELPER).stat().st_mode)
    return seen


def become(host: Sandbox, release: str) -> None:
    """Make the host say it is another release of Debian."""
    old = host.path("/usr/lib/os-release").read_text()
    number = old.partition('VERSION_ID="')[2].partition('"')[0]
    host.path("/usr/lib/os-release").write_text(old.replace(f'"{number}"', f'"{release}"'))
    host.path("/etc/debian_version").write_text(f"{release}.0\n")


def test_a_host_is_prepared_and_put_back(play, host):
    # Where the machine has udev, it is there.
    host.run(["groupadd", "--system", "--force", "kvm"])
    host.run(["mkdir", "/etc/qemu"])
    # Someone else's line.
    host.path(CONF).write_text("deny br9\n")
    before = state(host)
    would = play(host, [role()], check=True, vars=ALL)
    assert state(host) == before
    done = play(host, [role()], vars=ALL)
    assert changed(would) == changed(done)
    assert changed(play(host, [role()], vars=ALL)) == []

    assert host.run(["sysctl", "-n", "net.ipv4.ip_forward", "net.core.somaxconn"]).stdout.split() == ["1", "1024"]
    assert "net.ipv4.ip_forward = 1\n" in host.path("/etc/sysctl.d/60-virtnet.conf").read_text()
    assert host.run(["id", "--name", "--groups", "virtnet-qemu"]).stdout.split() == ["virtnet-qemu", "kvm"]
    assert "nologin" in host.run(["getent", "passwd", "virtnet-qemu"]).stdout
    assert allowed(host) == ["deny br9", "allow br0", "allow virbr0"]
    assert state(host)["helper"] == "-rwsr-xr-x"

    play(host, [role()], vars={**ALL, "host_setup_bridge_helper_bridges": []})
    assert allowed(host) == ["deny br9"]
    play(host, [role(tasks_from="teardown")], vars=ALL)
    assert state(host) == before


def test_by_default_users_have_no_way_to_bridges_and_a_teardown_keeps_what_is_still_there(play, host):
    before = state(host)
    play(host, [role()])
    after = state(host)
    assert after["helper"] == before["helper"] == "-rwxr-xr-x"
    assert CONF not in after["files"]

    disk = "/var/lib/virtnet/guests/web1/disk.qcow2"
    host.run(["install", "-D", "--owner=virtnet-qemu", "/dev/null", disk])
    results = play(host, [role(tasks_from="teardown")])
    assert disk in said(results, "Say what is kept").msg
    assert host.path(disk).exists() and not host.path("/etc/virtnet").exists()
    assert host.run(["id", "virtnet-qemu"]).returncode == 0

    host.run(["rm", "-r", "/var/lib/virtnet/guests"])
    play(host, [role(tasks_from="teardown")])
    assert state(host) == before


def test_a_qemu_built_from_source_and_ipv6(play, host, lan):
    own = "/usr/local/libexec/qemu-bridge-helper"
    host.run(["mkdir", "-p", "/usr/local/libexec"])
    host.run(["cp", HELPER, own])
    before = state(host)
    asked = ["sysctl", "-n", "net.ipv6.conf.all.forwarding", "net.ipv6.conf.uplink0.accept_ra"]
    old = host.run(asked).stdout
    wanted = {**ALL, "host_setup_ipv6_forwarding": True}
    results = play(host, [role()], vars=wanted)
    # Each QEMU reads its own list.
    assert allowed(host, "/usr/local/etc/qemu/bridge.conf") == ["allow br0", "allow virbr0"]
    assert not host.path(CONF).exists()
    assert host.path(own).stat().st_mode & stat.S_ISUID
    # In this order: a host that forwards drops routes that came by advertisements, so also its own default route.
    live = [line for line in said(results, "Set kernel parameters, now and at boot").commands if "sysctl -w" in line]
    first, second = (f"sysctl -w net.ipv6.conf.{name}" for name in ("uplink0.accept_ra=2", "all.forwarding=1"))
    assert live.index(first) < live.index(second)
    assert host.run(asked).stdout.split() == ["1", "2"]

    play(host, [role(tasks_from="teardown")], vars=wanted)
    assert state(host) == before
    assert host.run(asked).stdout == old
    assert not host.path("/usr/local/etc/qemu").exists()


def test_the_distributions_python_gets_packages_and_an_environment_for_the_rest(play, host, tmp_path):
    become(host, "13")
    offered = ("python3-netaddr", "python3-pyroute2", "virtnet-test-tool")
    Handmade(tmp_path, {**dict.fromkeys(offered, {}), "python3-packaging": library("packaging")}).offer(host)
    with zipfile.ZipFile(host.path("/run") / wheel_name("qemu.qmp"), "w") as wheel:
        for path, content in files_of("qemu.qmp").items():
            wheel.writestr(path, content)
    wanted = {**OWN_PYTHON, "host_setup_packages": ["virtnet-test-tool", "dnsmasq-base"]}
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/run"}
    ask = {"virtnet.qemu.guest_exec": {"name": "web1", "argv": ["true"]}}
    missing = [name for name in (*offered[:1], "python3-packaging", *offered[1:]) if not installed(host, name)]
    before = state(host)
    would = said(play(host, [role()], check=True, vars=wanted), "Say which packages are missing")
    assert (would.msg, would.changed) == (f"Would install: {', '.join(missing)}", True)

    (without,) = play(host, [fails(ask)], vars=wanted)
    assert without.msg.startswith("Failed to import the required Python library (qemu.qmp)")
    play(host, [role()], vars=wanted, env=offline)
    assert all(installed(host, name) for name in missing)
    *again, found = play(host, [role(), fails(ask)], vars=wanted, env=offline)
    assert changed(again) == []
    assert "guest 'web1'" in found.msg

    # The distribution was upgraded, and has another Python now.
    (own,) = host.path("/opt/virtnet/venv/lib").glob("python3.*")
    host.run(["mv", f"/opt/virtnet/venv/lib/{own.name}", "/opt/virtnet/venv/lib/python3.0"])
    *_others, found = play(host, [role(), fails(ask)], vars=wanted, env=offline)
    assert "guest 'web1'" in found.msg

    play(host, [role(tasks_from="teardown")], vars=wanted)
    assert not host.path("/opt/virtnet").exists()
    assert state(host) == before


def files_of(name: str) -> dict[str, bytes]:
    """A Python distribution of this environment: its files, by their path below site-packages."""
    found = distribution(name)
    inside = [path for path in found.files if not str(path).startswith("..") and path.suffix != ".pyc"]
    return {str(path): path.read_binary() for path in inside if path.name not in ("INSTALLER", "REQUESTED")}


def library(name: str) -> dict[str, bytes]:
    return {f"usr/lib/python3/dist-packages/{path}": content for path, content in files_of(name).items()}


def wheel_name(name: str) -> str:
    return f"{name}-{distribution(name).version}-py3-none-any.whl"


def test_who_chose_another_python_sees_to_its_libraries(play, host):
    become(host, "12")
    play(host, [role()])
    assert not host.path("/opt/virtnet").exists()


def test_another_distribution_is_refused_first(play, host):
    host.path("/usr/lib/os-release").write_text('NAME="Ubuntu"\nID=ubuntu\nVERSION_ID="24.04"\n')
    host.path("/etc/debian_version").unlink()
    before = state(host)
    result = play.start(host, [role()]).finish()[-1]
    assert result.failed
    assert "Ubuntu 24 is not supported; use Debian 12 or Debian 13" in result.msg
    assert state(host) == before


def test_without_root_it_is_refused_first(play, host):
    before = state(host)
    su = {"become": True, "become_user": "games", "become_method": "su", "become_flags": "-s /bin/sh"}
    result = play.start(host, [role(apply=su)], vars=OWN_PYTHON | {"ansible_remote_tmp": "/run/lock"}).finish()[-1]
    assert result.failed
    assert "The tasks run as games; use 'become: true'" in result.msg
    assert state(host) == before
