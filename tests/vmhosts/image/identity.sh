#!/bin/sh
# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Gives a VM host its name and its LAN address, by the number on the kernel's command line: vmhost=NUMBER.

set -eu
number=$(sed -n 's/.*\<vmhost=\([0-9]*\).*/\1/p' /proc/cmdline)
name="hv$((number - 10))"
mac=$(printf '52:54:00:01:00:%02x' "$number")
[ ! -e /etc/hostname ] || exit 0

echo "$name" > /etc/hostname
printf '127.0.0.1 localhost\n::1 localhost\n127.0.1.1 %s\n' "$name" > /etc/hosts
hostname "$name"

cat > /etc/systemd/network/10-lan0.link << END
[Match]
MACAddress=$mac

[Link]
Name=lan0
END
cat > /etc/systemd/network/20-lan0.network << END
[Match]
Name=lan0

[Network]
Address=192.0.2.$number/24
Address=2001:db8:1::$number/64
Gateway=192.0.2.1
Gateway=2001:db8:1::1
DNS=192.0.2.1
IPv6AcceptRA=no
LinkLocalAddressing=ipv6
END
