# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The micro guest's own files: what its busybox runs at start, for each NIC, and when it is told to stop. Pure."""

from __future__ import annotations

#: PID 1 is busybox init; its inittab is documented in busybox's examples/inittab.
INITTAB = """\
::sysinit:/etc/rc
ttyS0::respawn:/sbin/getty -L -n -l /bin/sh ttyS0 115200 vt100
::shutdown:/bin/umount -a -r
::ctrlaltdel:/sbin/reboot
"""

RC = """\
#!/bin/sh
# At start: file systems, host name, web server, then every device's driver.
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /run
# The kernel takes hostname=NAME itself; "localhost" stands for having no name.
[ "$(hostname)" != "(none)" ] || hostname localhost
ip link set lo up
httpd -h /srv/www

# Devices there now and devices plugged in later take one path: the kernel's uevents.
uevent /etc/hotplug &
# uevent does not tell when it listens; its socket (protocol 15, group 1) does.
until grep -q '^[^ ]* 15  *[^ ]*  *00000001' /proc/net/netlink; do usleep 10000; done
modprobe -a -q button evdev
acpid
replay() {
    action=$1
    shift
    for device; do [ ! -e "$device/uevent" ] || echo "$action" > "$device/uevent"; done
}
replay change /sys/class/virtio-ports/*
# All are listed before the first of them gets its driver: what that brings forth has uevents of its own.
replay add /sys/class/net/* /sys/bus/virtio/devices/* /sys/bus/pci/devices/*
"""

HOTPLUG = """\
#!/bin/sh
# For each uevent of the kernel, one at a time: ACTION, SUBSYSTEM, MODALIAS, INTERFACE, DEVNAME are in the environment.
case $ACTION/$SUBSYSTEM in
add/net) [ "$INTERFACE" = lo ] || /etc/nic-up & ;;
remove/net)
    [ ! -e "/run/udhcpc.$INTERFACE" ] || kill "$(cat "/run/udhcpc.$INTERFACE")"
    rm -f "/run/online.$INTERFACE"
    ;;
change/virtio-ports)
    # A port has its name only after it was added: the change says so.
    [ "$(cat "/sys$DEVPATH/name")" != org.qemu.guest_agent.0 ] || qemu-ga -p "/dev/$DEVNAME" &
    ;;
add/*) [ -z "$MODALIAS" ] || modprobe -q -b "$MODALIAS" ;;
esac
"""

#: Static addresses are given as to dracut (dracut.cmdline(7), "ip=" and "nameserver="), IPv6 in brackets.
NIC_UP = """\
#!/bin/sh
# A NIC came. Kernel command line, for any number of addresses:
#   ip=ADDRESS::GATEWAY:PREFIX:HOSTNAME:NIC:none[:MTU]   ip=NIC:none   ip=NIC:dhcp   nameserver=ADDRESS
# A NIC not named there gets its address by DHCP. IPv6 router advertisements are the kernel's business.
ip link set "$INTERFACE" up
dhcp=yes
for word in $(cat /proc/cmdline); do
    case $word in ip=*) ;; *) continue ;; esac
    # The colons of an IPv6 address are not separators.
    word=$(echo "${word#ip=}" | sed -e ':a' -e 's/\\(\\[[^]:]*\\):/\\1%/' -e 'ta' -e 's/[][]//g')
    IFS=: read -r address peer gateway prefix name nic method mtu rest <<EOF
$word
EOF
    case $INTERFACE in
    "$address")
        [ "$peer" = dhcp ] && dhcp=beside || dhcp=no
        continue
        ;;
    "$nic") ;;
    *) continue ;;
    esac
    [ -z "$name" ] || hostname "$name"
    [ -z "$mtu" ] || ip link set "$INTERFACE" mtu "$mtu"
    [ "$method" != dhcp ] || continue
    [ "$dhcp" = beside ] || dhcp=no
    ip address add "$(echo "$address" | tr % :)/$prefix" dev "$INTERFACE"
    [ -z "$gateway" ] || ip route add default via "$(echo "$gateway" | tr % :)" dev "$INTERFACE"
done
for word in $(cat /proc/cmdline); do
    case $word in nameserver=*) echo "nameserver ${word#nameserver=}" ;; esac
done > /run/resolv.static
cat /run/resolv.* > /etc/resolv.conf
if [ "$dhcp" = no ]; then
    touch "/run/online.$INTERFACE"
    exit
fi
name=
[ "$(hostname)" = localhost ] || name="-x hostname:$(hostname)"
exec udhcpc -f -R -t 5 -T 1 -A 2 -i "$INTERFACE" -p "/run/udhcpc.$INTERFACE" -s /etc/udhcpc \\
    $name -O mtu -O staticroutes
"""

#: The variables are those of udhcpc; the options those of RFC 2132 and, for classless routes, RFC 3442.
UDHCPC = """\
#!/bin/sh
# udhcpc has news of its lease: $1, $interface, and the lease in variables.
case $1 in
deconfig)
    ip -4 address flush dev "$interface"
    rm -f "/run/resolv.$interface" "/run/online.$interface"
    cat /run/resolv.* > /etc/resolv.conf
    ;;
bound | renew)
    [ -z "$mtu" ] || ip link set "$interface" mtu "$mtu"
    ip -4 address show dev "$interface" | grep -q " $ip/$mask " || {
        ip -4 address flush dev "$interface"
        ip address add "$ip/$mask" broadcast + dev "$interface"
    }
    # RFC 3442: classless routes, where there are any, replace the router option.
    [ -n "$staticroutes" ] || staticroutes=${router:+0.0.0.0/0 ${router%% *}}
    # An earlier NIC's default route is the better one.
    metric=$(cat "/sys/class/net/$interface/ifindex")
    set -- $staticroutes
    while [ $# -gt 1 ]; do
        via="via $2"
        [ "$2" != 0.0.0.0 ] || via=
        ip route replace "$1" $via dev "$interface" metric "$metric"
        shift 2
    done
    {
        [ -z "$search$domain" ] || echo "search ${search:-$domain}"
        for server in $dns; do echo "nameserver $server"; done
    } > "/run/resolv.$interface"
    # The command line's name goes before the lease's.
    [ "$(hostname)" != localhost ] || [ -z "$hostname" ] || hostname "$hostname"
    cat /run/resolv.* > /etc/resolv.conf
    touch "/run/online.$interface"
    ;;
esac
"""

#: For whoever runs commands by the agent, which answers before a lease has come.
WAIT_ONLINE = """\
#!/bin/sh
# wait-online NIC...: ends when these NICs are there and have their addresses.
for nic; do
    until [ -e "/run/online.$nic" ]; do usleep 50000; done
done
"""

#: busybox acpid calls this file for the key KEY_POWER.
POWER_BUTTON = """\
#!/bin/sh
exec poweroff
"""

#: guest-shutdown of the agent calls /sbin/shutdown with -P, -H or -r.
SHUTDOWN = """\
#!/bin/sh
case " $* " in
*" -r "*) exec reboot ;;
*" -H "*) exec halt ;;
*) exec poweroff ;;
esac
"""

#: busybox httpd runs it for "/": who answers, and whom it sees asking (so NAT shows).
WEB_PAGE = """\
#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n'
echo "host $(hostname)"
# httpd listens on IPv6 for both; it shows an IPv4 client as [::ffff:192.0.2.1].
client=${REMOTE_ADDR#[}
client=${client%]}
echo "client ${client#::ffff:}"
"""

#: path -> (permissions, text)
FILES = {
    "etc/inittab": (0o644, INITTAB),
    "etc/rc": (0o755, RC),
    "etc/hotplug": (0o755, HOTPLUG),
    "etc/nic-up": (0o755, NIC_UP),
    "etc/udhcpc": (0o755, UDHCPC),
    "bin/wait-online": (0o755, WAIT_ONLINE),
    "etc/acpi/PWRF/00000080": (0o755, POWER_BUTTON),
    "sbin/shutdown": (0o755, SHUTDOWN),
    "srv/www/cgi-bin/index.cgi": (0o755, WEB_PAGE),
    "etc/passwd": (0o644, "root::0:0:root:/root:/bin/sh\n"),
    "etc/group": (0o644, "root:x:0:\n"),
    "etc/hosts": (0o644, "127.0.0.1 localhost\n::1 localhost\n"),
}

#: path -> target
LINKS = {
    "init": "bin/busybox",
    "var/run": "/run",
    "sbin/init": "/bin/busybox",
}
DIRECTORIES = ("dev", "proc", "sys", "run", "tmp", "root", "mnt", "usr/bin", "usr/sbin", "var/log")

#: All of the above: an image with other content is another image.
CONTENT = {"files": FILES, "links": LINKS, "directories": DIRECTORIES}

#: The names of the two files that are the guest.
KERNEL = "vmlinuz"
INITRD = "initrd.img"
