#!/usr/bin/python
# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: sysctl
short_description: Set kernel parameters, now and at boot
version_added: 0.1.0
author: virtnet.qemu contributors (@virtnet)
description:
  - Sets kernel parameters (sysctls) live and in one file that is read at boot, see sysctl.d(5).
  - The file also keeps the value of before, so that O(state=absent) puts it back.
  - For parameters inside a network namespace see M(virtnet.qemu.netns).
extends_documentation_fragment:
  - virtnet.qemu.common
options:
  name:
    description: Name of the parameter, as sysctl(8) takes it.
    type: str
  value: &value
    description: The value. Required unless O(state=absent).
    type: str
  keep: &keep
    description:
      - Live values that are somebody's choice, with which the parameter is left alone.
      - This does not hold for a parameter that was set by this module before.
    type: list
    elements: str
  state: &state
    description: V(absent) takes the parameter out of the file and puts back the live value of before.
    type: str
    choices: [present, absent]
    default: present
  sysctl_file:
    description: The file that is read at boot. What others wrote into it stays.
    type: path
    default: /etc/sysctl.d/60-virtnet.conf
  config:
    description: Many parameters, with the same options, as one transaction.
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the parameter, as sysctl(8) takes it.
        type: str
        required: true
      value: *value
      keep: *keep
      state: *state
seealso:
  - module: virtnet.qemu.netns
  - module: virtnet.qemu.kernel_module
"""

EXAMPLES = r"""
- name: Forward IPv4 packets
  virtnet.qemu.sysctl:
    name: net.ipv4.ip_forward
    value: 1

- name: Take router advertisements on a host that forwards, unless it takes none at all
  virtnet.qemu.sysctl:
    name: net.ipv6.conf.lo.accept_ra
    value: 2
    keep: [0]

- name: Put it back as it was
  virtnet.qemu.sysctl:
    name: net.ipv4.ip_forward
    state: absent
"""

RETURN = r"""
commands:
  description: The changes as a person would type them; in check mode those that would be made.
  returned: success
  type: list
  elements: str
  sample: [add 'net.ipv4.ip_forward = 1' to /etc/sysctl.d/60-virtnet.conf, sysctl -w net.ipv4.ip_forward=1]
before:
  description: The changed parameters as they were, live and in the file.
  returned: success
  type: list
  elements: dict
after:
  description: The changed parameters as they are now.
  returned: success
  type: list
  elements: dict
repaired:
  description:
    - What had been changed by hand since an earlier run, and was put right; in check mode what would be.
    - See the collection's docs/drift.md for what is known of earlier runs. A warning says the same.
  returned: success
  type: list
  elements: str
  sample: ["kernel parameter net.ipv4.ip_forward: was 0"]
"""

from ansible_collections.virtnet.qemu.plugins.module_utils._host.sysctl import Sysctl
from ansible_collections.virtnet.qemu.plugins.module_utils._reconcile import run_module
from ansible_collections.virtnet.qemu.plugins.module_utils._spec import sysctl


def main() -> None:
    run_module(sysctl.Sysctl, Sysctl)


if __name__ == "__main__":
    main()
