# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.virtnet.qemu.plugins.module_utils._persist import unit
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.service import Service

PLAIN = Service("dnsmasq-lab", "DHCP for lab, 100%", ("/usr/sbin/dnsmasq", "--keep-in-foreground"))
FULL = Service(
    name="guest-web1",
    description="Guest web1",
    argv=("/usr/bin/qemu-system-x86_64", "-append", 'console=ttyS0 "quiet"', "$HOME", "%n", ""),
    user="virtnet-qemu",
    group="virtnet-qemu",
    supplementary_groups=("kvm", "disk"),
    netns="r1",
    environment=(("A", "b c"),),
    runtime_directory="virtnet/guests/web1",
    state_directory="virtnet/guests/web1",
    directory_mode=0o750,
    ready_file="/run/virtnet/guests/web1/qmp.sock",
    limits=(("memlock", "infinity"),),
    restart=False,
    enabled=False,
    start_timeout=60,
    stop_timeout=90,
    stop_argv=("/bin/stop", "it"),
    reload=True,
    after=("virtnet-dnsmasq-lab.service",),
    unit_options=(("NoNewPrivileges", "no"), ("DeviceAllow", "/dev/kvm rw")),
    start_pre=(("/bin/prepare",),),
    stop_post=(("/bin/clean", "up"),),
)
SANDBOX = """\
ProtectSystem=full
PrivateTmp=yes
ProtectControlGroups=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectKernelLogs=yes
ProtectHostname=yes
ProtectProc=invisible
RemoveIPC=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK AF_PACKET
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
"""


def test_the_unit_of_a_plain_service():
    assert unit.render(PLAIN) == (
        f"""\
# Written by virtnet.qemu; changes here are lost.
[Unit]
Description=DHCP for lab, 100%%
Wants=virtnet-firewall.service virtnet-network.service
After=network.target nftables.service virtnet-firewall.service virtnet-network.service

[Service]
Type=exec
ExecStart=/usr/sbin/dnsmasq --keep-in-foreground
Environment=VIRTNET_SERVICE=dnsmasq-lab
Environment=VIRTNET_DIGEST={PLAIN.digest}
TimeoutStartSec=30s
TimeoutStopSec=30s
Restart=on-failure
RestartSec=1s
NoNewPrivileges=yes
{SANDBOX}
[Install]
WantedBy=multi-user.target
"""
    )


def test_the_unit_of_a_service_with_every_option():
    assert unit.render(FULL) == (
        f"""\
# Written by virtnet.qemu; changes here are lost.
[Unit]
Description=Guest web1
Wants=virtnet-firewall.service virtnet-network.service
After=network.target nftables.service virtnet-firewall.service virtnet-network.service virtnet-dnsmasq-lab.service

[Service]
Type=exec
ExecStartPre=+/bin/prepare
ExecStart=/usr/bin/qemu-system-x86_64 -append "console=ttyS0 \\"quiet\\"" $$HOME %%n ""
ExecStop=+/bin/stop it
ExecStopPost=-+/bin/clean up
X-ReadyFile=/run/virtnet/guests/web1/qmp.sock
ExecReload=+/bin/kill -HUP $MAINPID
Environment="A=b c"
Environment=VIRTNET_SERVICE=guest-web1
Environment=VIRTNET_DIGEST={FULL.digest}
NetworkNamespacePath=/run/netns/r1
User=virtnet-qemu
Group=virtnet-qemu
SupplementaryGroups=kvm disk
RuntimeDirectory=virtnet/guests/web1
RuntimeDirectoryMode=0750
RuntimeDirectoryPreserve=yes
StateDirectory=virtnet/guests/web1
StateDirectoryMode=0750
LimitMEMLOCK=infinity
TimeoutStartSec=60s
TimeoutStopSec=90s
{SANDBOX}NoNewPrivileges=no
DeviceAllow=/dev/kvm rw
"""
    )


@pytest.mark.parametrize(("enabled", "expected"), [(True, True), (False, False)])
def test_a_unit_tells_whether_it_is_started_at_boot(enabled, expected):
    assert unit.enabled(unit.render(replace(PLAIN, enabled=enabled))) is expected


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        (PLAIN, (None, 30)),
        (replace(PLAIN, ready_file="/run/x y", start_timeout=5), ("/run/x y", 5)),
        (FULL, ("/run/virtnet/guests/web1/qmp.sock", 60)),
    ],
)
def test_a_unit_tells_when_it_is_ready(service, expected):
    assert unit.ready(unit.render(service)) == expected


def test_of_a_unit_by_another_nothing_is_known():
    assert unit.ready("[Service]\nExecStart=/bin/true\n") == (None, 30)
