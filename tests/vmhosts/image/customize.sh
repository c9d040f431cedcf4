#!/bin/sh
# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Makes a VM host of a fresh Debian. usage: customize.sh ROOT FILES WHEELS
#   FILES   folder with the files of this image
#   WHEELS  folder with what the distribution has no package of, for pip

set -eu
root=$1 files=$2 wheels=$3

install -m 0755 "$files/identity.sh" "$root/usr/local/sbin/vmhost-identity"
install -m 0644 "$files/vmhost-identity.service" "$files/vmhost-warm.service" "$root/etc/systemd/system/"
echo '/dev/vda / ext4 rw,noatime 0 1' > "$root/etc/fstab"
: > "$root/etc/machine-id"
rm -f "$root/etc/resolv.conf" "$root/etc/hostname"
ln -s ../run/systemd/resolve/stub-resolv.conf "$root/etc/resolv.conf"

# Nobody but the tests can reach it. Many of their commands run at once, by one connection. To compile what a module
# consists of takes an emulated machine a second each time.
chroot "$root" passwd --quiet --delete root
cat > "$root/etc/ssh/sshd_config.d/vmhost.conf" <<END
PermitRootLogin yes
PermitEmptyPasswords yes
MaxSessions 500
UseDNS no
SetEnv PYTHONPATH=/usr/local/lib/managed VIRTNET_COMPILED=/var/cache/compiled
END
# Each command is a login: no message of the day for it, and no session of systemd's.
sed -i '/pam_systemd.so/d; /pam_motd.so/d; /pam_mail.so/d' "$root"/etc/pam.d/sshd "$root"/etc/pam.d/common-session

chroot "$root" systemctl --quiet enable systemd-networkd systemd-resolved ssh vmhost-identity vmhost-warm
for unit in systemd-networkd-wait-online dnsmasq nftables apt-daily.timer apt-daily-upgrade.timer \
    dpkg-db-backup.timer e2scrub_all.timer fstrim.timer \
    NetworkManager NetworkManager-dispatcher NetworkManager-wait-online networking wpa_supplicant \
    libvirtd libvirtd.socket libvirtd-ro.socket libvirtd-admin.socket libvirt-guests \
    virtlogd virtlogd.socket virtlogd-admin.socket virtlockd virtlockd.socket virtlockd-admin.socket; do
    chroot "$root" systemctl --quiet disable "$unit" 2> /dev/null || true
done

# NICs that nobody configures are left down.
printf '[main]\nno-auto-default=*\n' > "$root/etc/NetworkManager/conf.d/vmhost.conf"

mkdir "$root/usr/local/share/wheels"
cp "$wheels"/* "$root/usr/local/share/wheels/"
printf '[global]\nno-index = true\nfind-links = /usr/local/share/wheels\n' > "$root/etc/pip.conf"
# Emulated, a machine takes minutes for what host_setup does here; a scenario's preparation may unpack it instead.
chroot "$root" python3 -m venv --system-site-packages /opt/virtnet/venv
chroot "$root" /opt/virtnet/venv/bin/pip install --quiet --disable-pip-version-check \
    --no-index --find-links=/usr/local/share/wheels qemu.qmp
tar -C "$root" -cf "$root/usr/local/share/environment.tar" opt/virtnet
rm -r "$root/opt/virtnet"
# A journal that a reboot does not end.
mkdir -p "$root/var/log/journal"

# All that it takes to find its disk: a small one is unpacked faster.
sed -i 's/^MODULES=.*/MODULES=list/' "$root/etc/initramfs-tools/initramfs.conf"
printf 'virtio_pci\nvirtio_blk\next4\n' > "$root/etc/initramfs-tools/modules"
chroot "$root" update-initramfs -u
