# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The units that run the boot files, and the script that both of them call. Pure."""

from __future__ import annotations

from .boot_links import LATE
from .boot_path import FOLDER

RUNNER = f"{FOLDER}/run.sh"
UNITS = "/etc/systemd/system"
FIREWALL, NETWORK = BOOT_UNITS = "virtnet-firewall.service", "virtnet-network.service"

#: Not systemd's usual dependencies: those would have it wait for what waits for the network in its turn.
_FIREWALL_UNIT = f"""\
# Written by virtnet.qemu; changes here are lost.
[Unit]
Description=Network namespaces and packet rules made by virtnet.qemu
DefaultDependencies=no
Wants=network-pre.target
Before=network-pre.target shutdown.target
Conflicts=shutdown.target
After=local-fs.target systemd-sysctl.service systemd-modules-load.service
After=nftables.service netfilter-persistent.service ufw.service firewalld.service
# When these start, stop or reload they flush all rules, whoever's they are.
PartOf=nftables.service
ReloadPropagatedFrom=nftables.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh {RUNNER} firewall
ExecReload=/bin/sh {RUNNER} firewall

[Install]
WantedBy=multi-user.target nftables.service
"""

_NETWORK_UNIT = f"""\
# Written by virtnet.qemu; changes here are lost.
[Unit]
Description=Network interfaces and addresses made by virtnet.qemu
DefaultDependencies=no
Wants=network.target {FIREWALL}
Before=network.target shutdown.target
Conflicts=shutdown.target
After=local-fs.target network-pre.target {FIREWALL}
After=systemd-networkd.service NetworkManager.service networking.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh {RUNNER} network

[Install]
WantedBy=multi-user.target
"""

_SCRIPT = r"""#!/bin/sh
# Written by virtnet.qemu; changes here are lost.
# usage: run.sh firewall|network
# Makes what the files beside this one say, after a boot. What is there already is left as it is. Every line is tried,
# whatever becomes of the others; each that fails is told, and makes the whole fail in the end.

cd @FOLDER@ || exit 1
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
late='@LATE@'
failed=''
# Tenths of a second that may be waited for links that the kernel or the host network manager brings, all in all.
patience=200

fail() {
    echo "@FOLDER@/$file: failed: $1" >&2
    failed=1
}

# The upper part of a file.
make() {
    while IFS= read -r line <&3 || [ -n "$line" ]; do
        case $line in
            "$late") break ;;
            '#'* | '') ;;
            'unless '*) if (eval "${line#unless }") > /dev/null 2>&1; then break; fi ;;
            *) (eval "$line") < /dev/null || fail "$line" ;;
        esac
    done 3< "$file"
}

# The lower part.
join() {
    below=''
    while IFS= read -r line <&3 || [ -n "$line" ]; do
        case $below$line in
            "$late") below=: ;;
            :*) wait_for "$line" || fail "$line" ;;
        esac
    done 3< "$file"
}

wait_for() {
    until said=$( (eval "$1") 2>&1 < /dev/null); do
        if [ "$patience" -le 0 ]; then
            echo "$said" >&2
            return 1
        fi
        patience=$((patience - 1))
        sleep 0.1
    done
}

# Rules, all of a file or none.
load() {
    place=${file##*/}
    place=${place%.*}
    case $place in
        *@*) inside="ip netns exec ${place#*@}" ;;
        *) inside='' ;;
    esac
    case $file in
        *.nft) $inside nft -f "$file" || fail 'nft -f' ;;
        *.iptables | *.ip6tables) restore "${file##*.}" || fail "${file##*.}-restore" ;;
    esac
}

restore() {
    $inside "$1-save" -t "$(sed -n 's/^\*//p' "$file")" | grep -q '^:vn-' ||
        $inside "$1-restore" -w --noflush < "$file"
}

# usage: each FUNCTION FILE...
each() {
    do=$1
    shift
    for file; do
        # A pattern that matched nothing is left as it was.
        [ ! -e "$file" ] || "$do"
    done
}

case $1 in
    firewall)
        each make netns/*
        each load network_firewall/* nat_rule/* nic_guard/*
        ;;
    network)
        each make bridge/* veth/* tap/*
        each join netns/* bridge/* veth/* tap/* address/*
        ;;
esac
[ -z "$failed" ]
"""


def all_files() -> dict[str, str]:
    """What is there as soon as there is a boot file, by path."""
    script = _SCRIPT.replace("@FOLDER@", FOLDER).replace("@LATE@", LATE)
    units = {FIREWALL: _FIREWALL_UNIT, NETWORK: _NETWORK_UNIT}
    return {RUNNER: script, **{f"{UNITS}/{name}": text for name, text in units.items()}}


def unit_of(path: str) -> str | None:
    """The unit that a file is, if it is one."""
    return path.rpartition("/")[2] if path.endswith(".service") else None
