# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a host with libvirt's networks has, row by row; the guests on them, ours beside them, a domain of libvirt's."""

import json
import re
import textwrap
from xml.etree import ElementTree

import pytest

from tests.vmhosts import VmLan

#: Of a domain of libvirt's, whose NIC is on default.
MAC = "52:54:00:00:22:01"
PCI = "0000:01:00.0"
PATIENCE = "20"
DOMAIN = """\
<domain type='kvm'>
  <name>dom1</name>
  <memory unit='MiB'>160</memory>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <kernel>/var/lib/virtnet/images/micro/vmlinuz</kernel>
    <initrd>/var/lib/virtnet/images/micro/initrd.img</initrd>
    <cmdline>console=ttyS0 quiet no_timer_check pci=lastbus=0</cmdline>
  </os>
  <features><acpi/></features>
  <cpu mode='host-passthrough'/>
  <devices>
    <controller type='pci' index='1' model='pcie-root-port'/>
    <controller type='pci' index='2' model='pcie-root-port'/>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
    <serial type='null'/>
  </devices>
</domain>
"""
#: Prints the lease of a MAC address, once libvirt's dnsmasq has given one.
LEASE = """\
tail -n +1 -F /var/lib/libvirt/dnsmasq/virbr0.status 2> /dev/null | while read -r line; do
    case $line in *"$1"*) break ;; esac
done
exec virsh net-dhcp-leases default --mac "$1"
"""


def virsh(vm_host, *words):
    return vm_host.run(["virsh", "--quiet", *words]).stdout.strip()


def network(vm_host, name, *options):
    return ElementTree.fromstring(virsh(vm_host, "net-dumpxml", name, *options))


def listed(vm_host):
    return {row[0]: row[1:] for row in map(str.split, virsh(vm_host, "net-list", "--all").splitlines())}


def ports(vm_host, bridge):
    lines = vm_host.run(["ip", "-o", "link", "show", "master", bridge]).stdout.splitlines()
    return {line.split(": ")[1].partition("@")[0] for line in lines}


def leased(vm_host, mac):
    said = vm_host.run(["timeout", "240", "bash", "-c", LEASE, "bash", mac]).stdout
    return re.search(r"(192\.168\.122\.\d+)/24", said)[1]


def shell(guest, text, *words):
    return (guest, ["sh", "-c", f"wait-online eth0\n{textwrap.dedent(text)}", "sh", *words])


@pytest.fixture
def addresses(vm_host):
    """Of our guests, once they have them."""
    text = """\
    until ip -o -4 address show dev eth0 scope global | grep inet; do usleep 100000; done
    """
    guests = ("lv1", "nat1")
    said = vm_host.in_guests([shell(guest, text) for guest in guests])
    return {guest: re.search(r" inet ([0-9.]+)/", text)[1] for guest, (_status, text) in zip(guests, said, strict=True)}


def test_libvirt_is_installed_and_answers_now_and_at_boot(vm_host):
    said = vm_host.run(["dpkg-query", "--show", "--showformat=${db:Status-Status} ", "libvirt-daemon-system"])
    assert said.stdout == "installed "
    vm_host.run(["dpkg-query", "--show", "libvirt-clients", "qemu-system-x86"])
    assert vm_host.run(["systemctl", "is-enabled", "libvirtd.service"]).stdout == "enabled\n"
    assert virsh(vm_host, "uri") == "qemu:///system"


def test_default_is_active_and_what_it_was(vm_host):
    assert listed(vm_host)["default"] == ["active", "yes", "yes"]
    found = network(vm_host, "default")
    assert found.find("bridge").attrib == {"name": "virbr0", "stp": "on", "delay": "0"}
    assert found.find("ip/dhcp/range").attrib == {"start": "192.168.122.2", "end": "192.168.122.254"}
    mark = network(vm_host, "default", "--inactive").find("metadata/{urn:virtnet:qemu}network")
    before = ElementTree.fromstring(mark.text)
    for path in ("uuid", "mac"):
        assert ElementTree.tostring(found.find(path)).strip() == ElementTree.tostring(before.find(path)).strip()
    shown = json.loads(vm_host.run(["ip", "-j", "-d", "address", "show", "dev", "virbr0"]).stdout)[0]
    assert shown["address"] == found.find("mac").get("address")
    assert shown["linkinfo"]["info_data"]["stp_state"] == 1
    assert "192.168.122.1" in [address["local"] for address in shown["addr_info"]]


def test_a_network_of_name_address_and_range(vm_host):
    assert listed(vm_host)["office"] == ["active", "yes", "yes"]
    found = network(vm_host, "office")
    assert found.find("forward").get("mode") == "nat" and found.find("bridge").get("name") == "br-office"


def test_our_guest_on_libvirts_bridge(vm_host, addresses):
    (line,) = vm_host.run(
        ["pgrep", "--full", "--list-full", "^/usr/bin/qemu-system-x86_64 -name lv1"]
    ).stdout.splitlines()
    assert "q35" in line and "virtio-net-pci" in line
    mac = re.search(r"mac=([0-9a-f:]+)", line)[1]
    assert mac.startswith("52:54:00:") and leased(vm_host, mac) == addresses["lv1"]
    assert ports(vm_host, "virbr0") == {"lv1-0"}


def test_forwarding_lasts(vm_host):
    assert vm_host.run(["sysctl", "-n", "net.ipv4.ip_forward"]).stdout == "1\n"
    assert "net.ipv4.ip_forward = 1\n" in vm_host.run(["cat", "/etc/sysctl.d/60-virtnet.conf"]).stdout


def test_who_reaches_whom(vm_host, addresses):
    """libvirt's rules for a NAT network; and neither kind of network disturbs the other."""
    lan = VmLan()
    lan.run(["ip", "route", "replace", "192.168.122.0/24", "via", f"192.0.2.{vm_host.number}"])
    tries = {
        "lv1": f"""\
            timeout {PATIENCE} nslookup lan.test 192.168.122.1 > /dev/null; echo "dns-udp $?"
            timeout {PATIENCE} nc 192.168.122.1 53 < /dev/null; echo "dns-tcp $?"
            timeout {PATIENCE} wget -q -O /dev/null "http://$1/from-lv1"; echo "lan $?"
            ping -c 1 -W 3 "$2" > /dev/null; echo "other $?"
        """,
        "nat1": f"""\
            timeout {PATIENCE} wget -q -O /dev/null "http://$1/from-nat1"; echo "lan $?"
            ping -c 1 -W 3 "$2" > /dev/null; echo "other $?"
        """,
    }
    others = {"lv1": addresses["nat1"], "nat1": addresses["lv1"]}
    said = vm_host.in_guests([shell(guest, text, lan.ADDRESS, others[guest]) for guest, text in tries.items()])
    results = {
        (guest, word): status == "0"
        for guest, (_status, text) in zip(tries, said, strict=True)
        for word, status in (line.split() for line in text.splitlines() if len(line.split()) == 2)
    }
    assert results == {
        ("lv1", "dns-udp"): True,
        ("lv1", "dns-tcp"): True,
        ("lv1", "lan"): True,
        ("lv1", "other"): False,
        ("nat1", "lan"): True,
        ("nat1", "other"): False,
    }, said
    clients = {request["path"]: request["client"] for request in lan.requests()}
    assert clients["/from-lv1"] == clients["/from-nat1"] == f"192.0.2.{vm_host.number}"
    # From outside nothing begins.
    done = lan.run(["ping", "-c", "1", "-W", "3", addresses["lv1"]], check=False)
    assert done.returncode != 0


def test_check_mode_deletes_nothing(vm_host):
    before = listed(vm_host)
    told = vm_host.module("virtnet.qemu.libvirt_network", {"name": "office", "state": "absent"}, check=True)
    assert told["changed"] and listed(vm_host) == before


def test_a_changed_definition_is_applied(vm_host):
    """Live where libvirt can; and by a restart where that is allowed, with all guests on the new bridge."""
    reserved = {"mac": MAC, "address": "192.168.122.77", "hostname": "dom1"}
    told = vm_host.module("virtnet.qemu.libvirt_network", {"name": "default", "reservations": [reserved]})
    assert told["changed"] and network(vm_host, "default").find("ip/dhcp/host").get("ip") == "192.168.122.77"
    index = vm_host.run(["cat", "/sys/class/net/virbr0/ifindex"]).stdout
    told = vm_host.module("virtnet.qemu.libvirt_network", {"name": "default", "mtu": 1400})
    assert told["networks"][0]["restart_required"]
    assert vm_host.run(["cat", "/sys/class/net/virbr0/ifindex"]).stdout == index
    vm_host.module("virtnet.qemu.libvirt_network", {"name": "default", "mtu": 1400, "allow_restart": True})
    assert vm_host.run(["cat", "/sys/class/net/virbr0/ifindex"]).stdout != index
    assert ports(vm_host, "virbr0") == {"lv1-0"}
    vm_host.module(
        "virtnet.qemu.libvirt_network", {"name": "default", "mtu": 0, "reservations": [], "allow_restart": True}
    )
    ((status, text),) = vm_host.in_guests([shell("lv1", "ping -c 1 -W 20 192.168.122.1")])
    assert status == 0, text


def test_a_domain_on_the_network(vm_host):
    """Its NIC is added to it while it is off; the bridge has it as vnet0 when it runs; its guest gets a lease."""
    vm_host.run(["virsh", "define", "/dev/stdin"], input=DOMAIN)
    try:
        options = {"name": "dom1", "mac": MAC, "network": "default", "pci_address": PCI}
        assert vm_host.module("virtnet.qemu.libvirt_interface", options)["changed"]
        assert not vm_host.module("virtnet.qemu.libvirt_interface", options)["changed"]
        nic = ElementTree.fromstring(virsh(vm_host, "dumpxml", "dom1")).find("devices/interface")
        assert nic.get("type") == "network" and nic.find("model").get("type") == "virtio"
        assert nic.find("address").get("bus") == "0x01"
        virsh(vm_host, "start", "dom1")
        assert any(re.fullmatch(r"vnet\d+", port) for port in ports(vm_host, "virbr0"))
        assert "vnet" in vm_host.run(["bridge", "link"]).stdout
        assert leased(vm_host, MAC)
    finally:
        vm_host.run(["virsh", "destroy", "dom1"], check=False)
        vm_host.run(["virsh", "undefine", "dom1"])
