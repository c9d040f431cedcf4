# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of NICs that have virtual functions, and what makes these at boot: a script and its unit. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from .._spec.pci import Identity
from .._spec.sriov import APART, Function, Record
from . import boot_pci, vfio

UNIT, TARGET = "virtnet-sriov.service", "multi-user.target"
UNIT_FILE = f"/etc/systemd/system/{UNIT}"
SCRIPT_FILE = "/etc/virtnet/sriov.sh"
#: What is made at boot too, and what only until the next one.
TABLE, PASSING_TABLE = "/etc/virtnet/sriov.table", "/run/virtnet/sriov.table"
_NONE = "-"
_COLUMNS = (
    "address",
    "model",
    "by",
    "serial",
    "count",
    "probes",
    "mac",
    "interface",
    "autoprobe",
    "up",
    "sysctls",
    "name",
)
_WORDS = {"mac": "mac", "vlan": "vlan", "spoofchk": "spoof_check", "trust": "trust"}

UNIT_TEXT = f"""\
# Written by virtnet.qemu; changes here are lost.
[Unit]
Description=Virtual functions of NICs made by virtnet.qemu
After=systemd-udev-trigger.service network-pre.target
Before=network.target virtnet-network.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh {SCRIPT_FILE}
ExecStartPost=/bin/sh -c '[ ! -e {vfio.SCRIPT_FILE} ] || exec /bin/sh {vfio.SCRIPT_FILE} late'

[Install]
WantedBy={TARGET}
"""

SCRIPT = (
    (
        r"""#!/bin/sh
# Written by virtnet.qemu; changes here are lost.
# Makes the virtual functions of the table beside this file: a row "pf" for each NIC, and rows "vf" with their settings
# after it. Every row is tried, whatever becomes of the others; each that fails makes the whole fail in the end.

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
table=@TABLE@
# Seconds that may be waited for drivers and names of interfaces, all in all.
patience=60
"""
        + boot_pci.FUNCTIONS
        + r"""
# Looked for without another program, and seldom: a host that boots has better things to do.
await_interface() {
    until [ -d "$device/net" ]; do
        [ "$patience" -gt 0 ] || { fail "no driver has made an interface of it"; return 1; }
        patience=$((patience - 1))
        sleep 1
    done
}

# Until udev has given the interface its name, it may change at any time.
patiently() {
    until said=$("$@" 2>&1); do
        [ "$patience" -gt 0 ] || { fail "$said"; return; }
        patience=$((patience - 1))
        sleep 1
    done
}

set_link() {
    # shellcheck disable=SC2086  # the words of ip-link(8)
    ip link set dev "$(ls "$device/net")" $1
}

# One that is up for its functions only takes no part in the host's network.
keep_apart() {
    interface=$(ls "$device/net")
    for setting in @APART@; do
        name=${setting%=*}
        file=/proc/sys/net/${name%/*}/conf/$interface/${name#*/}
        [ ! -e "$file" ] || echo "${setting#*=}" > "$file" || return
    done
}

take_up() {
    { [ "$up" = 1 ] || keep_apart; } && set_link up
}

make() {
    [ "$(cat "$device/sriov_numvfs")" != "$count" ] || return 0
    echo "$probes" > "$device/sriov_drivers_autoprobe"
    echo "$count" > "$device/sriov_numvfs" || fail "$count virtual functions cannot be made"
}

device=''
while read -r kind rest; do
    case $kind in
        pf)
            device=''
            # shellcheck disable=SC2086  # the columns
            set -- $rest
            address=$1 model=$2 by=$3 serial=$4 count=$5 probes=$6
            up=${10}
            shift 11
            name=$1
            { find_device && await_interface; } || { device=''; continue; }
            patiently take_up
            make
            ;;
        vf)
            case $device$rest in /*' '*) patiently set_link "vf $rest" ;; esac
            ;;
    esac
done < "$table"
[ -z "$failed" ]
"""
    )
    .replace("@TABLE@", TABLE)
    .replace("@APART@", " ".join(map("=".join, APART.items())))
)


def table(records: Iterable[Record]) -> str:
    lines = [line for record in sorted(records, key=lambda r: r.identity.address) for line in _lines(record)]
    head = ["# Written by virtnet.qemu; changes here are lost.", f"# pf {' '.join(_COLUMNS)}"]
    return "".join(f"{line}\n" for line in [*head, *lines])


def _lines(record: Record) -> Iterator[str]:
    known = record.identity
    by = "serial" if record.by_serial else "slot"
    cells = (known.address, known.model, by, known.serial, str(record.count), str(int(record.probes)), known.mac)
    sysctls = ",".join("=".join(pair) for pair in record.sysctls)
    cells += (known.interface, str(int(record.autoprobe)), str(int(record.up)), sysctls, record.name)
    yield f"pf {' '.join(cell or _NONE for cell in cells)}"
    for number, function in enumerate(record.functions):
        # A row for each, also for one that has no settings: the next run counts them.
        yield " ".join(["vf", str(number), *function.words()])


def records(text: str | None, boot: bool) -> list[Record]:
    """The opposite of `table`; what is not ours is passed over. `boot`: whether they are made at boot too."""
    found: list[Record] = []
    functions: list[list[Function]] = []
    for kind, *words in (line.split() for line in (text or "").splitlines() if line.strip()):
        if kind == "pf" and len(words) == len(_COLUMNS):
            found.append(_record(dict(zip(_COLUMNS, (None if word == _NONE else word for word in words))), boot))
            functions.append([])
        elif kind == "vf" and found:
            functions[-1].append(_function(words[1:]))
    return [replace(record, functions=tuple(made)) for record, made in zip(found, functions)]


def _record(row: dict[str, str | None], boot: bool) -> Record:
    return Record(
        name=row["name"],
        identity=Identity(row["address"], row["model"] or "", row["serial"], row["mac"], row["interface"]),
        up=row["up"] == "1",
        autoprobe=row["autoprobe"] == "1",
        boot=boot,
        sysctls=tuple(tuple(pair.split("=")) for pair in (row["sysctls"] or "").split(",") if pair),
        count=int(row["count"]),
        probes=row["probes"] == "1",
    )


def _function(words: list[str]) -> Function:
    given = {_WORDS[word]: value for word, value in zip(words[::2], words[1::2])}
    read = {"vlan": int, "spoof_check": "on".__eq__, "trust": "on".__eq__}
    return Function(**{name: read.get(name, str)(value) for name, value in given.items()})
