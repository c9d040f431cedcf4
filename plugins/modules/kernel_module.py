#!/usr/bin/python
# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kernel_module
short_description: Load kernel modules, now and at boot
version_added: 0.1.0
author: virtnet.qemu contributors (@virtnet)
description:
  - Loads kernel modules, and lists them in C(/etc/modules-load.d/virtnet.conf) so that they are loaded at boot.
  - Nothing is done for what is built into the kernel.
extends_documentation_fragment:
  - virtnet.qemu.common
options:
  name:
    description: Name of the module.
    type: str
  required: &required
    description: Whether it is an error that the kernel does not have the module. If not it is a warning.
    type: bool
    default: true
  state: &state
    description:
      - V(absent) takes the module out of the list.
      - It is not unloaded, since others may have come to use it.
    type: str
    choices: [present, absent]
    default: present
  config:
    description: Many modules, with the same options, as one transaction.
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the module.
        type: str
        required: true
      required: *required
      state: *state
seealso:
  - module: virtnet.qemu.sysctl
"""

EXAMPLES = r"""
- name: Have taps, and faster networking for guests where the kernel has it
  virtnet.qemu.kernel_module:
    config:
      - {name: tun}
      - {name: vhost_net, required: false}
"""

RETURN = r"""
commands:
  description: The changes as a person would type them; in check mode those that would be made.
  returned: success
  type: list
  elements: str
  sample: [add tun to /etc/modules-load.d/virtnet.conf, modprobe tun]
before:
  description: The changed modules as they were.
  returned: success
  type: list
  elements: dict
after:
  description: The changed modules as they are now; C(status) is loaded, builtin, loadable or missing.
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
  sample: ["kernel module tun: was not loaded"]
"""

from ansible_collections.virtnet.qemu.plugins.module_utils._host.kernel_module import KernelModule
from ansible_collections.virtnet.qemu.plugins.module_utils._reconcile import run_module
from ansible_collections.virtnet.qemu.plugins.module_utils._spec import kernel_module


def main() -> None:
    run_module(kernel_module.KernelModule, KernelModule)


if __name__ == "__main__":
    main()
