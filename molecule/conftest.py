# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the checks of all scenarios look at."""

from typing import Any

import pytest

from tests.vmhosts.host import VmHost


@pytest.fixture
def vm_host(host: Any) -> VmHost:
    return VmHost(host)
