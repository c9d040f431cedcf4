# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VM hosts: virtual machines that are hypervisor hosts, plugged into a LAN of this machine's namespaces."""

from .lan import VmLan

__all__ = ["VmLan"]
