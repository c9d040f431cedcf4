# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The host network managers that this collection writes files for."""

from __future__ import annotations

from .ifupdown import Ifupdown
from .manager import Managers
from .networkd import Networkd
from .networkmanager import NetworkManager

ALL = Managers(Networkd(), NetworkManager(), Ifupdown())
