# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Guests as a user asks for them, and hosts to plan them on."""

from __future__ import annotations

from dataclasses import replace

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.virtnet.qemu.plugins.module_utils._spec import guest_device
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.guest import Guest
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.guest_mark import alias
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.guest_world import (
    Account,
    BridgeHelper,
    Emulator,
    Facts,
    File,
    GuestWorld,
    Image,
    Plan,
)
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.size import GIB
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.world import Link

USER = "virtnet-qemu"
QEMU = Emulator(
    "/usr/bin/qemu-system-x86_64",
    machines=("q35", "pc", "pc-q35-7.2"),
    cpus=("EPYC", "qemu64", "host", "max"),
    nics=("e1000", "rtl8139", "virtio-net-pci"),
)
ACCOUNTS = {
    USER: Account(995, 995, kvm="there is no /dev/kvm", vhost="there is no /dev/vhost-net"),
    "root": Account(0, 0),
}
HELPER = BridgeHelper("/usr/lib/qemu/qemu-bridge-helper", True, "/etc/qemu/bridge.conf", (("allow", "br-lab"),))
FACTS = Facts(
    hostname="hv1",
    arch="x86_64",
    memory=8 * GIB,
    supervisors={"auto": "daemon", "daemon": "daemon", "systemd": "systemd"},
    emulators={None: QEMU},
    accounts=ACCOUNTS,
    tools={"qemu-img": "/usr/bin/qemu-img", "xorriso": "/usr/bin/xorriso"},
    bridge_helper=HELPER,
)


def want(name: str = "web1", **options) -> Guest:
    """As the module would parse it."""
    result = ArgumentSpecValidator(Guest.argument_spec).validate({"name": name, **options})
    assert not result.error_messages, result.error_messages
    return Guest.parse(result.validated_parameters)


def link(name: str, kind: str, **more) -> Link:
    fields = {"alias": None, "master": None, "carrier": False, "up": True, "mtu": 1500, "mac": "", "index": 1}
    return Link(name=name, kind=kind, **{**fields, **more})


def tap(name: str, guest: str | None = None, **more) -> Link:
    info = {"mode": "tap", "owner": 995, "group": None, "multi_queue": False, "vnet_hdr": False, **more.pop("info", {})}
    fields = {"alias": alias(guest) if guest else None, "master": "br-lab", "info": info}
    return link(name, "tun", **{**fields, **more})


def image(format: str | None = "qcow2", size: int = GIB, file_size: int = 196616, **more) -> File:
    """A disk image that the guest's user may use."""
    backing = more.pop("backing", None)
    fields = {"regular": True, "size": file_size, "readable": True, "writable": True, "executable": False}
    found = Image(format, size, backing, error=None if format else "it is torn")
    return File(**{**fields, "real_path": "", **more, "image": found})


def plain_file(**more) -> File:
    fields = {"regular": True, "size": 100, "readable": True, "writable": False, "executable": False, "real_path": ""}
    return File(**{**fields, **more})


def world(
    *wants: Guest, guests: tuple[Guest, ...] = (), links: tuple[Link, ...] = (), files: dict | None = None, **facts
) -> GuestWorld:
    """A host with the bridge br-lab; the files are those of the user virtnet-qemu."""
    there = {(USER, path): replace(file, real_path=file.real_path or path) for path, file in (files or {}).items()}
    made = GuestWorld(
        links={found.name: found for found in (link("br-lab", "bridge"), *links)},
        facts=replace(FACTS, files=there, **facts),
        guests={guest.name: guest for guest in guests},
    )
    plans = {guest.name: Plan(guest.definition, guest.running) for guest in guests}
    for guest in wants:
        have = made.guests.get(guest.name)
        definition = guest_device.placed(guest.completed(have, made), made.facts.devices)
        plans[guest.name] = Plan(definition, guest.runs(have))
    made.plans = plans
    return made


def planned(guest: Guest, **host) -> Guest:
    """What `guest` is to become on that host."""
    there = world(guest, **host)
    after = guest.target(there, guest.have(there))
    assert not there.missing, there.missing
    return after
