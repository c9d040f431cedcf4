# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""libvirt's networks, where its daemon is installed: packages libvirt-daemon and libvirt-clients."""

from __future__ import annotations

import shutil

from tests.sandbox import Sandbox

from .measure import Cost, cost
from .networks import names, subnet

NETWORK = """<network><name>{name}</name><forward mode='nat'/><bridge name='vb-{name}' stp='off'/>
<ip address='{subnet}.1' netmask='255.255.255.0'><dhcp><range start='{subnet}.10' end='{subnet}.200'/></dhcp></ip>
</network>"""


def usable() -> bool:
    return shutil.which("libvirtd") is not None and shutil.which("virsh") is not None


def converge(host: Sandbox, count: int) -> Cost:
    """One virsh for all networks, as starting it takes time too. What the daemon computes is not in the figure."""
    lines = []
    for number, name in enumerate(names(count)):
        host.path(f"/run/{name}.xml").write_text(NETWORK.format(name=name, subnet=subnet(number)))
        lines += [f"net-define /run/{name}.xml", f"net-start {name}"]
    host.path("/run/networks").write_text("\n".join(lines) + "\n")
    return cost([*host.enter(), "sh", "-c", "virsh -c qemu:///system < /run/networks"])
