# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.virtnet.qemu.plugins.module_utils._host import networkd
from ansible_collections.virtnet.qemu.plugins.module_utils._host.errors import HostError

OURS = "/etc/systemd/network/05-virtnet-br0.network"
GOES = {OURS: ("[Match]\nName=br0\n\n[Network]\nAddress=192.0.2.1/24\n", None)}


@pytest.fixture
def says(tmp_path, monkeypatch):
    """Has a networkd that takes no notice of anything say which file a bridge is of."""
    monkeypatch.setattr(networkd, "_CLASS", tmp_path / "class")
    monkeypatch.setattr(networkd, "_LINKS", tmp_path / "links")
    monkeypatch.setattr(networkd, "_LEFT", tmp_path / "left.network")
    monkeypatch.setattr(networkd, "_PATIENCE", 0)
    monkeypatch.setattr(networkd, "_reload", lambda: None)
    (tmp_path / "class/br0").mkdir(parents=True)
    (tmp_path / "class/br0/ifindex").write_text("7\n")
    (tmp_path / "links").mkdir()
    return lambda path: (tmp_path / "links/7").write_text(f"ADMIN_STATE=configured\nNETWORK_FILE={path}\n")


def test_a_bridge_that_networkd_holds_on_to_is_said(says):
    says(OURS)
    with pytest.raises(HostError, match=r"systemd-networkd did not let go of bridge 'br0'"):
        networkd.Networkd().let_go(GOES)


@pytest.mark.parametrize("path", ["left.network", "/etc/systemd/network/00-somebodys.network"])
def test_what_networkd_has_of_others_is_not_waited_for(says, path):
    says(path)
    networkd.Networkd().let_go(GOES)
