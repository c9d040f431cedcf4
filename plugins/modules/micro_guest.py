#!/usr/bin/python
# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: micro_guest
short_description: Build a small guest to try networks with
version_added: 0.1.0
author: virtnet.qemu contributors (@virtnet)
description:
  - Builds a kernel and an initramfs that QEMU boots with C(-kernel) and C(-initrd), from packages of the Debian release
    that the host runs. It needs neither a disk nor a download from elsewhere.
  - The guest configures each NIC by DHCP, router advertisements or the kernel command line, also those plugged in
    later. It runs the QEMU guest agent, so M(virtnet.qemu.guest_exec) runs commands in it, a web server that answers
    with its host name and the address it was asked from, and a shell on the serial port. It stops when its power button
    is pressed.
  - The packages are fetched with C(apt-get download) and unpacked beside the result. Nothing is installed on the host.
  - Root is not needed, except to write to O(dest) and for O(update_cache=true).
options:
  dest:
    description:
      - Absolute path of a directory for C(vmlinuz), C(initrd.img) and C(manifest.json), the record of what they were
        built from. It is made if missing. Keep it for these files only.
    type: path
    required: true
  state:
    description:
      - V(present) builds unless the files in O(dest) are undamaged and were built with the same options by this version
        of the module. It then asks apt for nothing.
      - V(latest) builds also when apt knows other versions of the packages.
      - V(absent) removes the files, and O(dest) unless something else is in it.
    type: str
    choices: [present, latest, absent]
    default: present
  flavour:
    description:
      - The kernel, as in the package name C(linux-image-FLAVOUR).
      - V(amd64) drives all NIC models named under O(modules).
      - V(cloud-amd64) drives virtio devices only, and boots in half the time.
    type: str
    choices: [amd64, cloud-amd64]
    default: amd64
  modules:
    description:
      - Kernel modules to include besides virtio_net, e1000, e1000e, igb, igbvf, 8139cp, virtio_console, virtio_blk,
        virtio_rng and isofs, for example V(vmxnet3), or V(ahci) and V(sr_mod) for SATA CD-ROM drives. What they depend
        on comes with them.
      - The guest loads a module when it finds a device for it.
    type: list
    elements: str
    default: []
  force:
    description: Build anew in any case, and replace or remove files of these names that this module did not make.
    type: bool
    default: false
  update_cache:
    description: Run C(apt-get update) first, when packages are to be looked up. Not done in check mode.
    type: bool
    default: false
attributes:
  check_mode:
    description: Says what would be built or removed, and changes nothing.
    support: full
  diff_mode:
    description: Shows options and package versions before and after.
    support: full
  idempotent:
    description: A second run with the same options changes nothing.
    support: partial
    details: Not with O(force=true). With O(state=latest) as long as apt knows the same versions.
  platform:
    description: Where the module runs.
    support: full
    platforms: Debian on x86-64 (amd64)
requirements:
  - apt-get, apt-cache, dpkg and dpkg-deb on the managed host
  - Python 3.9 or newer
notes:
  - The same packages and options give the same bytes.
  - Each file is replaced by a rename. A run that was killed leaves nothing that the next run does not repair or remove.
seealso:
  - module: virtnet.qemu.guest_exec
"""

EXAMPLES = r"""
- name: Build the guest
  virtnet.qemu.micro_guest:
    dest: /var/lib/virtnet/images/micro

- name: The one that boots fastest, of the newest packages
  virtnet.qemu.micro_guest:
    dest: /var/lib/virtnet/images/micro-cloud
    flavour: cloud-amd64
    state: latest
    update_cache: true

- name: With a driver for one more NIC model, and for a CD-ROM drive on SATA
  virtnet.qemu.micro_guest:
    dest: /var/lib/virtnet/images/micro
    modules: [vmxnet3, ahci, sr_mod]

- name: Remove it
  virtnet.qemu.micro_guest:
    dest: /var/lib/virtnet/images/micro
    state: absent
"""

RETURN = r"""
commands:
  description: About what a person would type for it; empty when nothing is to be done.
  returned: success
  type: list
  elements: str
  sample:
    - apt-get -q download linux-image-6.1.0-56-amd64=6.1.192-2 busybox-static=1:1.35.0-4+deb12u1+b1
    - install -D -m 0644 boot/vmlinuz-6.1.0-56-amd64 /var/lib/virtnet/images/micro/vmlinuz
    - find . | cpio -o -H newc | gzip > /var/lib/virtnet/images/micro/initrd.img
kernel:
  description: The file for QEMU's C(-kernel).
  returned: success
  type: str
  sample: /var/lib/virtnet/images/micro/vmlinuz
initrd:
  description: The file for QEMU's C(-initrd).
  returned: success
  type: str
  sample: /var/lib/virtnet/images/micro/initrd.img
packages:
  description: The packages it is built from, with their versions; empty with O(state=absent).
  returned: success
  type: dict
  sample: {busybox-static: "1:1.35.0-4+deb12u1+b1", linux-image-6.1.0-56-amd64: 6.1.192-2}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.virtnet.qemu.plugins.module_utils._host.errors import HostError
from ansible_collections.virtnet.qemu.plugins.module_utils._host.micro_guest import ensure
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.base import SpecError
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.micro_guest import FLAVOURS, MicroGuest


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "dest": {"type": "path", "required": True},
            "state": {"type": "str", "choices": ["present", "latest", "absent"], "default": "present"},
            "flavour": {"type": "str", "choices": list(FLAVOURS), "default": "amd64"},
            "modules": {"type": "list", "elements": "str", "default": []},
            "force": {"type": "bool", "default": False},
            "update_cache": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    try:
        result = ensure(MicroGuest.parse(module.params), module.check_mode)
    except (SpecError, HostError) as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
