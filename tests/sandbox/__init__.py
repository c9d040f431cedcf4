# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sandbox hosts: namespaces of this machine, each playing one whole host.

They are made with ``unshare``, ``ip`` and ``mount`` alone and never with the
collection itself, so that what they report is independent evidence.
"""

from __future__ import annotations

from .host import Machine, Sandbox, link
from .initprocess import SandboxError
from .lan import LanHost

__all__ = ["LanHost", "Machine", "Sandbox", "SandboxError", "link"]
