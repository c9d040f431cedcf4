# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options and attributes that every module of the collection shares."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  purge:
    description:
      - Remove every resource of this kind that this collection made on the host and that O(config) does not list.
    type: bool
    default: false
attributes:
  check_mode:
    description: Says what would change and changes nothing.
    support: full
  diff_mode:
    description: Shows each changed resource before and after.
    support: full
  idempotent:
    description: A second run with the same options changes nothing.
    support: full
  platform:
    description: Where the module runs.
    support: full
    platforms: linux
requirements:
  - root on the managed host
  - Python 3.9 or newer
  - netaddr (Debian package python3-netaddr)
notes:
  - Either all of O(config) is applied or nothing; what was done before a failure is undone.
  - After a change the state is read back; a difference is an error.
  - A run waits for any other run of this collection on the same host.
"""

    LOOK = r"""
options: {}
attributes:
  diff_mode:
    description: There is nothing to compare.
    support: none
  idempotent:
    description: Nothing is changed.
    support: full
  platform:
    description: Where the module runs.
    support: full
    platforms: linux
"""

    NETLINK = r"""
options: {}
requirements:
  - pyroute2 0.7.2 or newer (Debian package python3-pyroute2)
"""

    PERSIST = r"""
options:
  persist:
    description:
      - Whether it is there again after the host was rebooted.
      - With V(auto), where systemd runs the host, a file below C(/etc/virtnet/boot) says how to make it, and the units
        C(virtnet-firewall.service) and C(virtnet-network.service) do so at boot. Elsewhere nothing is written.
      - With V(none) there is no such file; one of an earlier run is removed.
    type: str
    choices: [auto, none]
    default: auto
"""
