# shellcheck shell=sh
# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The first process of a sandbox host: makes its own view of the file system, then
# waits as init. Run by host.py under unshare(1); prints "ready" when all is in place.
# usage: init.sh NAME COMMAND...   (the sandbox host ends when COMMAND ends)

set -eu
name=$1
shift

# sysfs shows the network namespace of whoever mounts it.
mount -t sysfs -o nosuid,nodev,noexec sysfs /sys
mount -t tmpfs -o nosuid,nodev,mode=755 tmpfs /run
mkdir -m 1777 /run/lock

# /usr and /opt too: a package installed inside must not land on the machine.
# The upper layers stay mounted through the overlays, out of sight.
mount -t tmpfs -o mode=755 tmpfs /mnt
for folder in etc opt usr var; do
    mkdir -p "/mnt/$folder/upper" "/mnt/$folder/work"
    chmod --reference="/$folder" "/mnt/$folder/upper"
    mount -t overlay -o "lowerdir=/$folder,upperdir=/mnt/$folder/upper,workdir=/mnt/$folder/work" \
        overlay "/$folder"
done
umount /mnt

hostname "$name"
rm -f /etc/hostname /etc/hosts /etc/resolv.conf
echo "$name" > /etc/hostname
printf '127.0.0.1 localhost\n::1 localhost\n127.0.1.1 %s\n' "$name" > /etc/hosts
# The machine's name servers cannot be reached from here; a LAN may bring its own.
: > /etc/resolv.conf

ip link set lo up
# A new namespace copies the machine's IPv4 settings; a test starts from the kernel's.
echo 0 > /proc/sys/net/ipv4/ip_forward

echo ready
exec tini -- "$@" > /dev/null 2>&1
