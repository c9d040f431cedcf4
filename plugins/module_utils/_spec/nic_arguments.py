# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A NIC as QEMU takes it: the arguments of ``netdev_add`` and ``device_add``, and of the command line. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import guest_pci
from .guest_nic import Nic


def netdev(nic: Nic, vhost: bool, bridge_helper: str | None, descriptors: tuple[Any, ...] = ()) -> dict[str, Any]:
    """What is behind it. `descriptors` are the numbers, or names (``getfd`` of QMP), of an open tap's queues."""
    common = {"type": nic.type, "id": f"net-{nic.id}"}
    if nic.type == "user":
        forwards = [{"str": f"{f.protocol}:{f.address}:{f.port}-:{f.guest_port}"} for f in nic.hostfwd]
        return _given(common, restrict=nic.restrict or None, hostfwd=forwards or None)
    if nic.type == "bridge":
        return _given(common, br=nic.bridge, helper=bridge_helper)
    if descriptors:
        plural = "fds" if len(descriptors) > 1 else "fd"
        return _given(common, **{plural: ":".join(map(str, descriptors))}, vhost=vhost or None)
    return _given(
        common,
        ifname=nic.ifname,
        script="no",
        downscript="no",
        queues=nic.queues if nic.queues > 1 else None,
        vhost=vhost or None,
    )


def device(nic: Nic, machine: str) -> dict[str, Any]:
    """What the guest sees."""
    return _given(
        {"driver": nic.model, "id": nic.id},
        netdev=f"net-{nic.id}",
        mac=nic.mac,
        mq=True if nic.queues > 1 else None,
        vectors=_vectors(nic),
        **guest_pci.place(nic, machine),
        romfile=nic.romfile,
    )


def words(arguments: Mapping[str, Any]) -> str:
    """The same on a command line; the kind of thing comes first and has no name there."""
    (_kind, first), *rest = arguments.items()
    return ",".join([value(first), *(f"{key}={text}" for key, given in rest for text in _texts(given))])


def value(text: str) -> str:
    """A value among others: in it, a comma is written twice."""
    return text.replace(",", ",,")


def _texts(given: Any) -> list[str]:
    if isinstance(given, list):
        return [entry["str"] for entry in given]
    return [{True: "on", False: "off"}[given] if isinstance(given, bool) else value(str(given))]


def _given(first: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {**first, **{key: given for key, given in more.items() if given is not None}}


def _vectors(nic: Nic) -> int | None:
    """With many queues, two for each and two for configuration and control, as in qemu(1)."""
    return nic.vectors if nic.vectors is not None or nic.queues == 1 else 2 * nic.queues + 2
