# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of devices that vfio-pci is to have, and what binds them at boot: a script and its unit. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from .._spec.pci import Identity
from .._spec.vfio import Record
from . import boot_pci

UNIT, TARGET = "virtnet-vfio.service", "sysinit.target"
UNIT_FILE = f"/etc/systemd/system/{UNIT}"
SCRIPT_FILE = "/etc/virtnet/vfio.sh"
#: What is bound at boot too, and what only until the next one.
TABLE, PASSING_TABLE = "/etc/virtnet/vfio.table", "/run/virtnet/vfio.table"
_NONE = "-"
_COLUMNS = ("address", "model", "by", "vf", "serial", "mac", "interface", "driver", "name")

#: Before udev asks the kernel for the drivers of what is plugged in.
UNIT_TEXT = f"""\
# Written by virtnet.qemu; changes here are lost.
[Unit]
Description=PCI devices for guests, bound to vfio-pci by virtnet.qemu
DefaultDependencies=no
After=systemd-remount-fs.service
Before=systemd-udev-trigger.service sysinit.target shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh {SCRIPT_FILE} early

[Install]
WantedBy={TARGET}
"""

SCRIPT = (
    r"""#!/bin/sh
# Written by virtnet.qemu; changes here are lost.
# usage: vfio.sh early|late
# Has vfio-pci hold the devices of the table beside this file: early all but virtual functions, which are there late.
# Every device is tried, whatever becomes of the others; each that fails is told, and makes the whole fail in the end.

table=@TABLE@
when=$1
chosen=''
"""
    + boot_pci.FUNCTIONS
    + r"""
bind() {
    [ "$(driver)" != vfio-pci ] || return 0
    if [ -e "$device/driver" ]; then echo "${device##*/}" > "$device/driver/unbind"; fi
    echo "${device##*/}" > $bus/drivers_probe
    # The kernel takes that without a word also when nothing came of it.
    [ "$(driver)" = vfio-pci ] || fail "vfio-pci did not take ${device##*/}"
}

driver() {
    [ ! -e "$device/driver" ] || basename "$(readlink "$device/driver")"
}

while read -r address model by vf serial _mac _interface _driver name; do
    case $address in '' | '#'*) continue ;; esac
    case $when$vf in early- | late[0-9]*) ;; *) continue ;; esac
    find_device || continue
    if [ "$vf" != - ]; then
        [ -e "$device/virtfn$vf" ] || { fail "there is no virtual function $vf"; continue; }
        device=$(readlink -f "$device/virtfn$vf")
        device=$bus/devices/${device##*/}
    fi
    # From here on no other driver gets it.
    echo vfio-pci > "$device/driver_override" || fail "driver_override cannot be set"
    chosen="$chosen $device"
done < "$table"

if [ -n "$chosen" ]; then
    modprobe vfio-pci || failed=1
fi
for device in $chosen; do
    name=${device##*/}
    bind
done
[ -z "$failed" ]
"""
).replace("@TABLE@", TABLE)


def table(records: Iterable[Record]) -> str:
    rows = sorted(_row(record) for record in records)
    return "# Written by virtnet.qemu; changes here are lost.\n" + "".join(
        f"{' '.join(row)}\n" for row in [("#", *_COLUMNS), *rows]
    )


def _row(record: Record) -> tuple[str, ...]:
    known = record.identity
    by = "serial" if record.by_serial else "slot"
    vf = _NONE if record.vf is None else str(record.vf)
    cells = (known.address, known.model, by, vf, known.serial, known.mac, known.interface, record.driver, record.name)
    return tuple(cell or _NONE for cell in cells)


def records(text: str | None, boot: bool) -> list[Record]:
    """The opposite of `table`; what is not ours is passed over. `boot`: whether they are bound at boot too."""
    lines = [line.split() for line in (text or "").splitlines() if line and not line.startswith("#")]
    rows = [dict(zip(_COLUMNS, (None if cell == _NONE else cell for cell in row))) for row in lines]
    return [
        Record(
            name=row["name"],
            identity=Identity(row["address"], row["model"] or "", row["serial"], row["mac"], row["interface"]),
            driver=row["driver"],
            boot=boot,
            vf=None if row["vf"] is None else int(row["vf"]),
        )
        for row in rows
        if len(row) == len(_COLUMNS)
    ]
