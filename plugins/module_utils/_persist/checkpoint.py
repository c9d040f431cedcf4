# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The units of a checkpoint. Pure."""

from __future__ import annotations

import shlex

UNIT = "virtnet-checkpoint"
#: Transient: it counts the seconds, and starts the service of that name.
TIMER, SERVICE = f"{UNIT}.timer", f"{UNIT}.service"
BOOT_UNIT = f"{UNIT}-boot.service"


#: Each step of a restore has its own limit; one that systemd ends in the middle leaves the host in between.
_LIMIT = "TimeoutStartSec=infinity"


def boot_unit(argv: list[str]) -> str:
    """What puts the files back at a boot, before anything reads them."""
    return f"""\
# Written by virtnet.qemu; changes here are lost.
[Unit]
Description=Take back what nobody confirmed before the reboot (virtnet.qemu)
DefaultDependencies=no
RequiresMountsFor=/var/lib/virtnet /etc
After=local-fs.target
Wants=network-pre.target
Before=network-pre.target virtnet-firewall.service virtnet-network.service shutdown.target
Before=systemd-modules-load.service systemd-sysctl.service systemd-networkd.service NetworkManager.service
Before=networking.service nftables.service netfilter-persistent.service
Conflicts=shutdown.target

[Service]
Type=oneshot
ExecStart={shlex.join(argv)}
{_LIMIT}

[Install]
WantedBy=multi-user.target
"""


def timer(argv: list[str], seconds: int) -> list[str]:
    """The command line that starts the timer."""
    return [
        *("systemd-run", "--quiet", f"--unit={UNIT}", f"--on-active={seconds}", "--timer-property=AccuracySec=100ms"),
        *("--service-type=oneshot", "--description=Take back what nobody confirmed (virtnet.qemu)"),
        *(f"--property={_LIMIT}", "--", *argv),
    ]
