# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Laws are tried on the same examples in every run, unless VIRTNET_LAWS=random asks for others.

How long an example takes is the machine's, not the law's: none fails for it.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

settings.register_profile("any speed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("same", settings.get_profile("any speed"), derandomize=True)
settings.register_profile("random", settings.get_profile("any speed"), derandomize=False)
settings.load_profile(os.environ.get("VIRTNET_LAWS", "same"))
