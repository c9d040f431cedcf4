# shellcheck shell=sh
# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Becomes systemd, PID 1 of a sandbox host. Run by systemd_host.py under unshare(1); prints "ready" before it does.
# usage: systemd_init.sh CGROUP   (a folder of a mounted cgroup2 file system, made for this host)

set -eu
cgroup=$1

# The machine's /dev stays as it is: systemd and journald make links in theirs.
mount -t tmpfs -o mode=755,nosuid tmpfs /mnt
mkdir /mnt/net /mnt/pts /mnt/shm
for device in null zero full random urandom tty net/tun; do
    touch "/mnt/$device"
    mount --bind "/dev/$device" "/mnt/$device"
done
mount -t devpts -o newinstance,ptmxmode=0666 devpts /mnt/pts
ln -s pts/ptmx /mnt/ptmx
mount -t tmpfs tmpfs /mnt/shm
mount --move /mnt /dev

# As in a container; else networkd waits for what udev knows of links.
mount -o remount,bind,ro /sys

echo 1 > "$cgroup/cgroup.procs"
echo ready
# shellcheck disable=SC2016  # the inner shell expands it
exec unshare --cgroup sh -c '
    umount --lazy /sys/fs/cgroup
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
    exec env --ignore-environment "PATH=$PATH" container=virtnet NOTIFY_SOCKET=/run/notify \
        /usr/lib/systemd/systemd --unit=multi-user.target --log-target=journal' > /dev/null 2>&1
