# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Guests as units of systemd: when they start, that a crash is made good, and that a stop is a shutdown."""

UNIT = "virtnet-guest-box2.service"
#: Prints the unit's process, once it is not the one given.
NEXT_PID = """\
until pid=$(systemctl show --property=MainPID --value "$1"); [ "$pid" != 0 ] && [ "$pid" != "$2" ]; do :; done
echo "$pid"
"""


def shown(vm_host, name):
    return vm_host.run(["systemctl", "show", f"--property={name}", "--value", UNIT]).stdout.strip()


def test_it_starts_at_boot_after_the_network_and_its_rules(vm_host):
    assert vm_host.run(["systemctl", "is-enabled", UNIT]).stdout.strip() == "enabled"
    after = shown(vm_host, "After").split()
    assert {"virtnet-network.service", "virtnet-firewall.service", "network.target", "nftables.service"} <= set(after)


def test_one_that_crashed_is_started_again(vm_host):
    before = shown(vm_host, "MainPID")
    vm_host.run(["kill", "-KILL", before])
    now = vm_host.run(["timeout", "120", "sh", "-c", NEXT_PID, "sh", UNIT, before]).stdout.strip()
    assert now not in ("", "0", before)
    assert "SIGKILL" in vm_host.run(["journalctl", "--no-pager", f"--unit={UNIT}"]).stdout.replace("9/KILL", "SIGKILL")
    ((status, _text),) = vm_host.in_guests([("box2", ["true"])])
    assert status == 0


def test_stopping_it_presses_its_power_button(vm_host):
    vm_host.run(["systemctl", "stop", UNIT])
    try:
        assert (shown(vm_host, "Result"), shown(vm_host, "ExecMainStatus")) == ("success", "0")
    finally:
        vm_host.run(["systemctl", "start", UNIT])
