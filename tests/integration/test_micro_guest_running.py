# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The micro guest once it runs: real QEMU, with its taps on a network made by hand."""

from __future__ import annotations

import socket
import sys

import pytest

from tests.integration.support import lab
from tests.integration.support.guest import PATIENCE, Guest, ethernet, has_device, nic

pytestmark = pytest.mark.newest_end

# Model -> driver. QEMU has igb from version 8 on.
MODELS = {"virtio-net-pci": "virtio_net", "e1000": "e1000", "e1000e": "e1000e", "rtl8139": "8139cp", "igb": "igb"}
FETCH = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=30).read().decode())"


def web_page(host, address):
    return host.run([sys.executable, "-c", FETCH, f"http://{address}/"]).stdout.splitlines()[:2]


def wait_for(guest, command):
    guest.run("sh", "-c", f"until {command}; do usleep 50000; done")


def test_dhcp_names_routes_and_web_server(host, micro_image):
    # RFC 3442: a guest that takes these ignores the router option.
    routes = "198.51.100.0/24,192.0.2.254,0.0.0.0/0,192.0.2.253"
    lab.make_lab(host, 1, [f"--dhcp-option=option:classless-static-route,{routes}"])
    with Guest(host, "web1", micro_image, devices=nic("virtio-net-pci", 1)) as guest:
        guest.run("wait-online", "eth0")
        address, name = lab.leases(host)[ethernet(1)]
        assert name == "web1"
        assert f"inet {address}/24 " in guest.run("ip", "address", "show", "eth0")
        assert guest.run("cat", "/sys/class/net/eth0/mtu") == str(lab.MTU)
        routes = guest.run("ip", "route")
        assert "default via 192.0.2.253 dev eth0" in routes
        assert "198.51.100.0/24 via 192.0.2.254 dev eth0" in routes
        assert guest.run("cat", "/etc/resolv.conf") == "search lab.test\nnameserver 192.0.2.1"
        assert guest.run("ping", "-c1", "-W5", "www.lab.test").startswith("PING www.lab.test (192.0.2.1)")
        assert web_page(host, address) == ["host web1", "client 192.0.2.1"]


def test_router_advertisements(host, micro_image):
    lab.make_lab(host, 1)
    with Guest(host, "web1", micro_image, devices=nic("virtio-net-pci", 1)) as guest:
        # Of the advertised prefix and the MAC address (RFC 4862; RFC 4291, appendix A).
        address = "2001:db8::5054:ff:fe00:1"
        wait_for(guest, f"ip -6 address show dev eth0 | grep -q {address}")
        assert "default via fe80::" in guest.run("ip", "-6", "route")
        assert web_page(host, f"[{address}]") == ["host web1", f"client {lab.ADDRESS6}"]


def test_without_a_router_option_there_is_no_default_route_and_a_lease_gives_the_name(host, micro_image):
    lab.make_lab(host, 1, ["--dhcp-option=option:router", f"--dhcp-host={ethernet(1)},192.0.2.50,named-by-dhcp"])
    with Guest(host, "web1", micro_image, "", nic("virtio-net-pci", 1)) as guest:
        guest.run("wait-online", "eth0")
        assert guest.run("hostname") == "named-by-dhcp"
        assert "default" not in guest.run("ip", "-4", "route")
        assert "inet 192.0.2.50/24 " in guest.run("ip", "address", "show", "eth0")


def test_static_addresses_from_the_command_line(host, micro_image):
    lab.make_lab(host, 4)
    # The last: DHCP beside a static address.
    append = (
        "ip=192.0.2.20::192.0.2.1:24::eth0:none:1450 ip=[2001:db8::20]::[2001:db8::1]:64::eth0:none "
        "ip=eth1:none nameserver=192.0.2.1 ip=::::static1:eth2:dhcp "
        "ip=eth3:dhcp ip=[2001:db8:3::20]:::64::eth3:none"
    )
    devices = [word for number in (1, 2, 3, 4) for word in nic("virtio-net-pci", number)]
    with Guest(host, "web1", micro_image, append, devices) as guest:
        guest.run("wait-online", "eth0", "eth1", "eth2", "eth3")
        shown = guest.run("ip", "address", "show", "eth0")
        assert "inet 192.0.2.20/24 " in shown
        assert "inet6 2001:db8::20/64 " in shown
        assert "mtu 1450 " in shown
        assert "inet " not in guest.run("ip", "address", "show", "eth1")
        assert guest.run("hostname") == "static1"
        assert sorted(lab.leases(host)) == [ethernet(3), ethernet(4)]
        assert "inet6 2001:db8:3::20/64 " in guest.run("ip", "address", "show", "eth3")
        assert "default via 192.0.2.1 dev eth0" in guest.run("ip", "route")
        wait_for(guest, "ping -c1 -W1 2001:db8::1")
        assert guest.run("nslookup", "-type=a", "www.lab.test").endswith(f"Address: {lab.ADDRESS}")


def test_every_nic_model_gets_its_driver_and_an_address(host, micro_image):
    models = [model for model in MODELS if has_device(model)]
    lab.make_lab(host, len(models))
    devices = [word for number, model in enumerate(models, 1) for word in nic(model, number)]
    with Guest(host, "web1", micro_image, devices=devices) as guest:
        names = guest.run("sh", "-c", "cd /sys/class/net; echo eth*").split()
        while len(names) < len(models):
            names = guest.run("sh", "-c", "cd /sys/class/net; echo eth*").split()
        guest.run("wait-online", *names)
        drivers = {}
        for name in names:
            mac = guest.run("cat", f"/sys/class/net/{name}/address")
            drivers[mac] = guest.run("readlink", f"/sys/class/net/{name}/device/driver").rpartition("/")[2]
            assert f"inet {lab.leases(host)[mac][0]}/24 " in guest.run("ip", "address", "show", name)
        assert drivers == {ethernet(number): MODELS[model] for number, model in enumerate(models, 1)}


def test_a_nic_plugged_in_later_gets_an_address_and_may_go_again(host, micro_image):
    lab.make_lab(host, 2)
    slot = ["-device", "pcie-root-port,id=slot1,slot=1,chassis=1"]
    with Guest(host, "web1", micro_image, devices=[*nic("virtio-net-pci", 1), *slot]) as guest:
        guest.run("wait-online", "eth0")
        guest.qmp("netdev_add", type="tap", id="net2", ifname="tap2", script="no", downscript="no")
        guest.qmp("device_add", driver="e1000e", id="nic2", netdev="net2", mac=ethernet(2), bus="slot1")
        guest.run("wait-online", "eth1")
        assert f"inet {lab.leases(host)[ethernet(2)][0]}/24 " in guest.run("ip", "address", "show", "eth1")
        assert "udhcpc -f -R -t 5 -T 1 -A 2 -i eth1" in guest.run("ps")

        guest.qmp("device_del", id="nic2")
        guest.wait_event("DEVICE_DELETED", device="nic2")
        wait_for(guest, "! pidof udhcpc | grep -q ' '")
        assert "-i eth0" in guest.run("ps")
        assert guest.run("sh", "-c", "cd /sys/class/net; echo *") == "eth0 lo"


def test_the_power_button_ends_qemu_and_the_lease(host, micro_image):
    lab.make_lab(host, 1)
    with Guest(host, "web1", micro_image, devices=nic("virtio-net-pci", 1)) as guest:
        guest.run("wait-online", "eth0")
        assert ethernet(1) in lab.leases(host)
        guest.qmp("system_powerdown")
        guest.wait_event("SHUTDOWN", guest=True)
        assert guest.wait_end() == 0
        assert ethernet(1) not in lab.leases(host)


def test_the_agent_can_power_off(host, micro_image):
    with Guest(host, "web1", micro_image) as guest:
        outcome = guest.execute("shutdown", "-P", "+0")
        # The agent may be gone before it has been asked how the command ended.
        assert outcome.rc == 0 or "connection to its agent was lost during guest-exec-status" in outcome.error, outcome
        guest.wait_event("SHUTDOWN", guest=True, reason="guest-shutdown")
        assert guest.wait_end() == 0


def test_a_shell_on_the_serial_port(host, micro_image):
    with Guest(host, "web1", micro_image) as guest:
        guest.run("true")
        with socket.socket(socket.AF_UNIX) as console:
            console.settimeout(PATIENCE)
            console.connect(str(guest.socket("console")))
            console.sendall(b"echo $((6*7)) $(tty)\n")
            said = b""
            while b"42 /dev/ttyS0" not in said:
                said += console.recv(4096)


def test_the_cloud_kernel(host, micro_cloud_image):
    lab.make_lab(host, 1)
    with Guest(host, "web1", micro_cloud_image, devices=nic("virtio-net-pci", 1)) as guest:
        guest.run("wait-online", "eth0")
        assert guest.run("uname", "-r").endswith("-cloud-amd64")
        assert f"inet {lab.leases(host)[ethernet(1)][0]}/24 " in guest.run("ip", "address", "show", "eth0")
        guest.qmp("system_powerdown")
        assert guest.wait_end() == 0
