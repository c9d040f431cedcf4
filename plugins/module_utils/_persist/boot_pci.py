# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What finds PCI devices at boot, in the scripts that look for them: functions of sh(1). Pure."""

from __future__ import annotations

FUNCTIONS = r"""
bus=/sys/bus/pci
failed=''

fail() {
    echo "$table: $name: $1" >&2
    failed=1
}

# The serial number in the configuration space: extended capability 3 of PCI Express.
serial_of() {
    at=256
    while [ "$at" -ge 256 ]; do
        # shellcheck disable=SC2046  # one word for each octet
        set -- $(od -A n -t u1 -j "$at" -N 12 "$device/config" 2> /dev/null)
        [ $# -eq 12 ] || return 0
        if [ $(($1 + $2 * 256)) -eq 3 ]; then
            shift 4
            printf '%02x-%02x-%02x-%02x-%02x-%02x-%02x-%02x\n' "$8" "$7" "$6" "$5" "$4" "$3" "$2" "$1"
            return
        fi
        at=$(($3 / 16 + $4 * 16))
    done
}

# Sets $device to the folder of the one that a row is about: by its $serial number, or whatever $model is at $address.
find_device() {
    if [ "$by" = serial ]; then
        for device in "$bus/devices/"*".${address##*.}"; do
            [ ! -e "$device/physfn" ] && [ "$(serial_of)" = "$serial" ] && return
        done
        fail "there is no device with the serial number $serial"
        return 1
    fi
    device=$bus/devices/$address
    [ -d "$device" ] || { fail "there is no device at $address"; return 1; }
    found=$(cat "$device/vendor" "$device/device" | tr -d '\n')
    [ "$found" = "0x${model%:*}0x${model#*:}" ] || { fail "there is another device at $address"; return 1; }
}
"""
