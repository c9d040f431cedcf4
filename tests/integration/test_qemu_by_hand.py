# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""QEMU started by hand on a host that host_setup has prepared: by root with scripts, by others by the bridge helper."""

from __future__ import annotations

import json
import subprocess
from contextlib import contextmanager

import pytest

from tests.integration.support.hypervisor import offer_tun

pytestmark = pytest.mark.newest_end

UP, DOWN = "/etc/virtnet/qemu-ifup", "/etc/virtnet/qemu-ifdown"
QEMU = [
    "qemu-system-x86_64",
    "-machine",
    "q35",
    "-accel",
    "tcg",
    "-nodefaults",
    "-display",
    "none",
    "-S",
    "-qmp",
    "stdio",
]
NIC = ["-device", "virtio-net-pci,netdev=n0,romfile=", "-netdev"]
SCRIPTED = f"tap,id=n0,ifname=tap7,script={UP},downscript={DOWN}"
AS_ALICE = ["setpriv", "--reuid=alice", "--regid=alice", "--clear-groups"]
ROLE = {"ansible.builtin.import_role": {"name": "virtnet.qemu.host_setup"}}
OPTIONS = {
    "host_setup_qemu_scripts": True,
    "host_setup_bridge_helper": True,
    "host_setup_bridge_helper_bridges": ["br1", "br2"],
}


@pytest.fixture
def host(host):
    for bridge in ("br1", "br2", "br3"):
        host.run(["ip", "link", "add", bridge, "type", "bridge"])
    host.run(["useradd", "alice"])
    offer_tun(host, 0o666)
    return host


def prepare(play, host, **more):
    tags = "host_setup_access,host_setup_bridge_helper,host_setup_qemu_scripts"
    play(host, [ROLE], vars={**OPTIONS, **more}, arguments=["--tags", tags])


@contextmanager
def qemu(host, netdev, *before):
    """A QEMU that runs while the test looks around; it must then end well."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = host.popen([*before, *QEMU, *NIC, netdev], text=True, **pipes)
    greeting = process.stdout.readline()
    assert "QMP" in greeting, process.communicate()
    yield
    _said, errors = process.communicate('{"execute": "qmp_capabilities"}{"execute": "quit"}\n', timeout=30)
    assert (process.returncode, errors) == (0, "")


def refused(host, netdev, *before):
    """What a QEMU says that does not start."""
    done = host.run([*before, *QEMU, *NIC, netdev], check=False, timeout=30)
    assert done.returncode == 1
    return done.stderr


def ports(host, bridge):
    return [link["ifname"] for link in json.loads(host.run(["ip", "-j", "link", "show", "master", bridge]).stdout)]


def taps(host):
    return host.run(["ip", "-br", "tuntap"]).stdout.split("\n")[:-1]


def test_scripts_and_the_bridge_helper(play, host):
    prepare(play, host)
    assert "the name of the bridge is missing" in refused(host, SCRIPTED)
    prepare(play, host, host_setup_qemu_scripts_bridge="br2")
    with qemu(host, SCRIPTED, "env", "QEMU_BRIDGE=br1"):
        assert ports(host, "br1") == ["tap7"]
    assert taps(host) == []
    with qemu(host, SCRIPTED):
        assert ports(host, "br2") == ["tap7"]
    assert "'br9' is not a bridge of this host" in refused(host, SCRIPTED, "env", "QEMU_BRIDGE=br9")
    assert "'lo' is not a bridge of this host" in refused(host, SCRIPTED, "env", "QEMU_BRIDGE=lo")
    # A tap that somebody made is taken off its bridge, and stays.
    host.run(["ip", "tuntap", "add", "tap7", "mode", "tap"])
    with qemu(host, SCRIPTED):
        assert ports(host, "br2") == ["tap7"]
    assert ports(host, "br2") == [] and len(taps(host)) == 1
    host.run(["ip", "link", "delete", "tap7"])
    for script in (UP, DOWN):
        for words in ([script], [script, ""]):
            done = host.run(words, check=False)
            assert done.returncode == 1 and "the name of the tap is missing" in done.stderr
    assert host.run([DOWN, "gone"]).returncode == 0

    # Who is not root gets onto the bridges that are listed, and by the helper only.
    for bridge in ("br1", "br2"):
        with qemu(host, f"bridge,id=n0,br={bridge}", *AS_ALICE):
            assert len(ports(host, bridge)) == 1
        assert ports(host, bridge) == []
    assert "access denied by acl file" in refused(host, "bridge,id=n0,br=br3", *AS_ALICE)
    assert "Operation not permitted" in refused(host, SCRIPTED, *AS_ALICE)
    assert taps(host) == []
