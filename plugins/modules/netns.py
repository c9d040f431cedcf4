#!/usr/bin/python
# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: netns
short_description: Make and remove named network namespaces
version_added: 0.1.0
author: virtnet.qemu contributors (@virtnet)
description:
  - Manages network namespaces as ip-netns(8) names them, with the loopback interface up and sysctls set inside.
  - A namespace in which processes still run is not removed.
extends_documentation_fragment:
  - virtnet.qemu.common
  - virtnet.qemu.common.persist
  - virtnet.qemu.common.netlink
options:
  name:
    description: Name of the namespace.
    type: str
  sysctls: &sysctls
    description:
      - Kernel parameters below C(net.) to set inside the namespace, as sysctl(8) names them.
      - Parameters that are not listed are left alone.
    type: dict
  adopt: &adopt
    description: Take over a namespace that something else made.
    type: bool
    default: false
  state: &state
    description: Whether the namespace is to exist.
    type: str
    choices: [present, absent]
    default: present
  config:
    description: Many namespaces, with the same options, as one transaction.
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the namespace.
        type: str
        required: true
      sysctls: *sysctls
      adopt: *adopt
      state: *state
seealso:
  - module: virtnet.qemu.veth
"""

EXAMPLES = r"""
- name: A namespace that forwards packets
  virtnet.qemu.netns:
    name: r1
    sysctls:
      net.ipv4.ip_forward: 1
      net.ipv6.conf.all.forwarding: 1

- name: Take it away again
  virtnet.qemu.netns:
    name: r1
    state: absent
"""

RETURN = r"""
commands:
  description: The changes as a person would type them; in check mode those that would be made.
  returned: success
  type: list
  elements: str
  sample: [ip netns add r1, ip -n r1 link set dev lo up]
before:
  description: The changed resources as they were; one that did not exist is left out.
  returned: success
  type: list
  elements: dict
after:
  description: The changed resources as they are now; one that was removed is left out.
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
  sample: ["namespace vn-back: was gone"]
"""

from ansible_collections.virtnet.qemu.plugins.module_utils._boot import Boot
from ansible_collections.virtnet.qemu.plugins.module_utils._host.netlink import Netlink
from ansible_collections.virtnet.qemu.plugins.module_utils._reconcile import run_module
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.netns import Netns


def main() -> None:
    run_module(Netns, Netlink, Boot)


if __name__ == "__main__":
    main()
