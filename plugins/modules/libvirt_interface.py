#!/usr/bin/python
# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: libvirt_interface
short_description: Keep the NICs of libvirt's domains on libvirt's networks
version_added: 0.1.0
author: virtnet.qemu contributors (@virtnet)
description:
  - Adds NICs to domains, moves them to other networks and removes them, in the definition and in the running domain.
  - What the guest sees of a NIC, its model and place, is changed in the definition only; the running domain has it when
    it was restarted, and RV(interfaces) tells.
  - To remove a NIC from a running domain the guest's system must give it back, which it does within a moment when it
    runs.
extends_documentation_fragment:
  - virtnet.qemu.common
options:
  name:
    description: Name of the domain.
    type: str
  mac: &mac
    description: MAC address of the NIC, by which it is known. Required.
    type: str
  network: &network
    description: The network of libvirt that it is on. Required unless O(state=absent).
    type: str
  model: &model
    description: What the guest sees, such as V(virtio) or V(e1000e). A new NIC without it is V(virtio).
    type: str
  pci_address: &pci_address
    description: Its place in the guest, such as V(0000:07:00.0). libvirt chooses one for a new NIC.
    type: str
  state: &state
    description: Whether it is there.
    type: str
    choices: [present, absent]
    default: present
  uri:
    description: The libvirt to connect to.
    type: str
    default: qemu:///system
  config:
    description: Many NICs, of any domains, with the same options, as one transaction.
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the domain.
        type: str
        required: true
      mac: *mac
      network: *network
      model: *model
      pci_address: *pci_address
      state: *state
requirements:
  - libvirt with its Python bindings (Debian packages libvirt-daemon-system and python3-libvirt)
seealso:
  - module: virtnet.qemu.libvirt_network
"""

EXAMPLES = r"""
- name: A NIC on the network that comes with libvirt
  virtnet.qemu.libvirt_interface:
    name: web1
    mac: "52:54:00:00:00:11"
    network: default

- name: The same on another network
  virtnet.qemu.libvirt_interface:
    name: web1
    mac: "52:54:00:00:00:11"
    network: office

- name: Take it away
  virtnet.qemu.libvirt_interface:
    name: web1
    mac: "52:54:00:00:00:11"
    state: absent
"""

RETURN = r"""
commands:
  description: The changes as a person would type them; in check mode those that would be made.
  returned: success
  type: list
  elements: str
  sample:
    - virsh attach-interface web1 network default --mac 52:54:00:00:00:11 --model virtio --config
    - virsh attach-interface web1 network default --mac 52:54:00:00:00:11 --model virtio --live
interfaces:
  description: The NICs that are to be there.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the domain.
      type: str
    mac:
      description: MAC address of the NIC.
      type: str
    restart_required:
      description: Whether the domain runs with another model or place, until it is restarted.
      type: bool
before:
  description: The changed NICs as they were; one that did not exist is left out.
  returned: success
  type: list
  elements: dict
after:
  description: The changed NICs as they are now; one that was removed is left out.
  returned: success
  type: list
  elements: dict
"""

from ansible_collections.virtnet.qemu.plugins.module_utils._host.libvirt_interface import LibvirtInterfaces
from ansible_collections.virtnet.qemu.plugins.module_utils._reconcile import run_module
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.libvirt_interface import LibvirtInterface


def main() -> None:
    run_module(LibvirtInterface, LibvirtInterfaces)


if __name__ == "__main__":
    main()
