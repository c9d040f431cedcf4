#!/usr/bin/python
# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: tap
short_description: Make, change and remove persistent taps for guests
version_added: 0.1.0
author: virtnet.qemu contributors (@virtnet)
description:
  - Manages persistent tap interfaces, optionally as ports of a bridge, so that QEMU can use them without any privilege.
  - A tap that a guest uses stays attached while it is changed.
  - What can only be changed by making the tap anew is refused while a guest uses it, and so is its removal.
    An idle tap made anew keeps its MAC address, its bridge and all else that is not listed.
  - An option that is not given is left as it is; on a new tap the kernel's default holds.
extends_documentation_fragment:
  - virtnet.qemu.common
  - virtnet.qemu.common.persist
  - virtnet.qemu.common.netlink
options:
  name:
    description: Name of the tap, at most 15 bytes.
    type: str
  netns: &netns
    description: An existing network namespace that holds the tap. Default is the host's own.
    type: str
  bridge: &bridge
    description: The bridge that has the tap as a port; it must exist in the same namespace.
    type: str
  owner: &owner
    description:
      - User, by name or numeric id, who may open the tap. Without one only root may.
      - The tap is made anew to change this.
    type: str
  group: &group
    description:
      - Group, by name or numeric id, whose members may open the tap.
      - The tap is made anew to change this.
    type: str
  multi_queue: &multi_queue
    description:
      - Allow one queue for each of a guest's virtual CPUs. The default of a new tap is V(false).
      - The tap is made anew to change this.
    type: bool
  vnet_hdr: &vnet_hdr
    description:
      - Give packets the virtio header, for offloads. The default of a new tap is V(false).
      - Each program that opens the tap sets this for itself, so it is left alone while a guest uses the tap.
    type: bool
  mtu: &mtu
    description: Largest packet in bytes, from 68 to 65535. The kernel's default is 1500.
    type: int
  isolated: &isolated
    description: Let no other isolated port of the bridge reach this one, see bridge(8). Needs O(bridge).
    type: bool
  mac: &mac
    description: MAC address of the host's side of the tap; the guest's NIC has its own.
    type: str
  up: &up
    description: Whether the tap is up.
    type: bool
    default: true
  adopt: &adopt
    description: Take over a tap that something else made.
    type: bool
    default: false
  state: &state
    description: Whether the tap is to exist.
    type: str
    choices: [present, absent]
    default: present
  config:
    description: Many taps, with the same options, as one transaction.
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the tap, at most 15 bytes.
        type: str
        required: true
      netns: *netns
      bridge: *bridge
      owner: *owner
      group: *group
      multi_queue: *multi_queue
      vnet_hdr: *vnet_hdr
      mtu: *mtu
      isolated: *isolated
      mac: *mac
      up: *up
      adopt: *adopt
      state: *state
seealso:
  - module: virtnet.qemu.bridge
  - module: virtnet.qemu.qemu_guest
"""

EXAMPLES = r"""
- name: A tap on a bridge that the user nobody may open
  virtnet.qemu.tap:
    name: tap-web1
    bridge: br-lab
    owner: nobody

- name: Two taps that reach the bridge's other ports, but not each other
  virtnet.qemu.tap:
    config:
      - {name: tap-a, bridge: br-lab, isolated: true}
      - {name: tap-b, bridge: br-lab, isolated: true}

- name: Take the tap away again
  virtnet.qemu.tap:
    name: tap-web1
    state: absent
"""

RETURN = r"""
commands:
  description: The changes as a person would type them; in check mode those that would be made.
  returned: success
  type: list
  elements: str
  sample: [ip tuntap add dev tap-web1 mode tap user 65534, ip link set dev tap-web1 master br-lab]
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
  sample: ["tap tap-web1: was off bridge br-lab"]
"""

from ansible_collections.virtnet.qemu.plugins.module_utils._boot import Boot
from ansible_collections.virtnet.qemu.plugins.module_utils._host.netlink import Netlink
from ansible_collections.virtnet.qemu.plugins.module_utils._reconcile import run_module
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.tap import Tap


def main() -> None:
    run_module(Tap, Netlink, Boot)


if __name__ == "__main__":
    main()
