#!/bin/sh
# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Gives a VM host its name and its LAN address, by the kernel's command line:
#   vmhost=NUMBER           from 11 on
#   vmhost_manager=MANAGER  that configures its NIC: networkd, networkmanager or ifupdown

set -eu
number=$(sed -n 's/.*\<vmhost=\([0-9]*\).*/\1/p' /proc/cmdline)
manager=$(sed -n 's/.*\<vmhost_manager=\([a-z]*\).*/\1/p' /proc/cmdline)
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

networkd() {
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
}

networkmanager() {
    # What it reads has to be root's alone.
    umask 077
    cat > /etc/NetworkManager/system-connections/lan0.nmconnection << END
[connection]
id=lan0
uuid=8c9d0e6a-3f0b-4f0e-9d0a-0000000000$number
type=ethernet
interface-name=lan0

[ipv4]
method=manual
address1=192.0.2.$number/24,192.0.2.1
dns=192.0.2.1;

[ipv6]
method=manual
address1=2001:db8:1::$number/64,2001:db8:1::1
END
}

ifupdown() {
    cat >> /etc/network/interfaces << END

auto lan0
iface lan0 inet static
    address 192.0.2.$number/24
    gateway 192.0.2.1
    dns-nameservers 192.0.2.1

iface lan0 inet6 static
    address 2001:db8:1::$number/64
    gateway 2001:db8:1::1
END
    # Debian 12's script tells systemd-resolved of no server; hosts like this one have a file.
    if grep -q '^VERSION_ID="12"' /etc/os-release; then
        rm /etc/resolv.conf
        echo 'nameserver 192.0.2.1' > /etc/resolv.conf
    fi
}

"$manager"
