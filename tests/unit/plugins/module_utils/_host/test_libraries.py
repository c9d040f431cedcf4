# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

import subprocess
import sys

ASK = """\
import sys
from ansible_collections.virtnet.qemu.plugins.module_utils._host.netlink import Netlink
netlink = Netlink()
{}
netlink.close()
print(*(name for name in sys.modules if name.startswith("pyroute2")))
"""


def loaded(line: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", ASK.format(line)], check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.split()


def test_what_is_only_looked_at_takes_no_library():
    assert loaded("netlink.observe([], everything=True)") == []


def test_the_parts_of_pyroute2_that_are_not_used_are_not_loaded():
    found = loaded("netlink._iproute(None)")
    assert "pyroute2.iproute" in found
    assert not {"pyroute2.ndb", "pyroute2.ipdb", "pyroute2.cli", "pyroute2.wiset"}.intersection(found)
