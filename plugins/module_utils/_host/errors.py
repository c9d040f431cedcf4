# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the machine refused, in words for the user."""

from __future__ import annotations


class HostError(Exception):
    """A change of the machine failed. The text says which and why."""
