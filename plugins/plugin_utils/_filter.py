# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the filters share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.virtnet.qemu.plugins.module_utils._spec.base import SpecError


def plainly(work: Callable[..., Any], *args: Any) -> Any:
    """The result of `work`; what it refuses, and a library that is missing, as one sentence for the user."""
    try:
        return work(*args)
    except SpecError as exc:
        raise AnsibleFilterError(str(exc)) from exc
    except ImportError as exc:
        raise AnsibleFilterError(f"the controller's Python lacks the library '{exc.name}'; install it") from exc
