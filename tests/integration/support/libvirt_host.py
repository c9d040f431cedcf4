# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""libvirt's daemon on a sandbox host, and what it says of its networks and domains."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from tests.sandbox import Sandbox

#: Its Python bindings are the distribution's, and for its own Python.
PYTHON = {"ansible_python_interpreter": "/usr/bin/python3"}
#: What the package libvirt-daemon-system would make, whose services the machine is not to run.
FOLDERS = ("/run/libvirt", "/var/log/libvirt/qemu", "/var/lib/libvirt/images", "/var/lib/libvirt/qemu")
USER = "libvirt-qemu"
#: Guests run as root, and nothing is around that labels files, keeps logs or takes part in control groups.
QEMU_CONF = """\
user = "root"
group = "root"
security_driver = "none"
stdio_handler = "file"
cgroup_controllers = []
"""


def run_libvirt(host: Sandbox) -> None:
    """Start the daemon, as root's only, and return when it answers."""
    host.run(["useradd", "--system", "--user-group", "--no-create-home", USER], check=False)
    for folder in FOLDERS:
        host.path(folder).mkdir(parents=True, exist_ok=True)
    host.path("/etc/libvirt/qemu.conf").write_text(QEMU_CONF)
    host.path("/etc/libvirt/libvirtd.conf").write_text('auth_unix_rw = "none"\nunix_sock_group = "root"\n')
    host.run(["libvirtd", "--daemon"])
    virsh(host, "uri")


def virsh(host: Sandbox, *words: str, **options: Any) -> str:
    return host.run(["virsh", "--connect", "qemu:///system", "--quiet", *words], **options).stdout.strip()


def listed(host: Sandbox, name: str) -> list[str] | None:
    """State, autostart and persistence of a network, as `virsh net-list` says them."""
    rows = [line.split() for line in virsh(host, "net-list", "--all").splitlines()]
    return next((row[1:] for row in rows if row[0] == name), None)


def network(host: Sandbox, name: str, *options: str) -> Element:
    return ElementTree.fromstring(virsh(host, "net-dumpxml", name, *options))


def ports(host: Sandbox, bridge: str) -> set[str]:
    lines = host.run(["ip", "-o", "link", "show", "master", bridge]).stdout.splitlines()
    return {line.split(": ")[1].partition("@")[0] for line in lines}


def attributes(found: Element, path: str) -> list[dict[str, str]]:
    return [dict(element.attrib) for element in found.findall(path)]
