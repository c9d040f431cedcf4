# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Golden plans: each folder below plan_cases/KIND has what there is, what is wanted, and the commands in between.

have.yml: by namespace (`host` is the host's own) the links; those with `ours` carry our mark. `sysctls` stand beside.
want.yml: the options of a task. plan.yml: the commands, or the error, and what is missing.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.virtnet.qemu.plugins.module_utils._host.errors import HostError
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.base import MARK, SpecError
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.bridge import Bridge
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.netns import Netns
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.tap import Tap
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.veth import Veth
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.world import Link, Route

from .kernel import BRIDGE, LOOPBACK, TAP, Kernel
from .trial import Adapter, copied, parse, run, state

SPECS = {"bridge": Bridge, "tap": Tap, "veth": Veth, "netns": Netns}
INFO = {"bridge": BRIDGE, "tun": TAP}
CASES = sorted(Path(__file__).with_name("plan_cases").glob("*/*"))


def read(case: Path, name: str) -> Any:
    return yaml.safe_load((case / f"{name}.yml").read_text(encoding="utf-8"))


def host(have: dict[str, Any]) -> Kernel:
    sysctls = have.pop("sysctls", {})
    spaces = {None if netns == "host" else netns: links or {} for netns, links in have.items()}
    # Every namespace counts its links from 1.
    made = {
        netns: [link(number, name, **values) for number, (name, values) in enumerate(links.items(), start=2)]
        for netns, links in spaces.items()
    }
    kernel = Kernel(made)
    for netns, values in sysctls.items():
        kernel.sysctls[netns].update(values)
    return kernel


def link(number: int, name: str, kind: str = "", ours: bool = False, **values: Any) -> Link:
    info = dict(INFO.get(kind, {}))
    info.update({option: values.pop(option) for option in list(values) if option in info})
    routes = tuple(Route(**route) for route in values.pop("routes", ()))
    peer = values.pop("peer", None)
    if name == "lo":
        return replace(LOOPBACK, **{"up": True, "alias": MARK if ours else None, **values})
    base: dict[str, Any] = {
        "mac": f"52:54:00:00:00:{number:02x}",
        "mtu": 1500,
        "up": True,
        "carrier": False,
        "master": None,
    }
    base.update(alias=MARK if ours else None, isolated=False if values.get("master") else None)
    listed = tuple(values.pop("addresses", ()))
    more = {"addresses": listed, "routes": routes, "peer": peer and (None if peer[0] == "host" else peer[0], peer[1])}
    return Link(number, name, kind, info=info, **{**base, **values, **more})


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}: {case.name}")
def test_plan(case):
    spec, kernel, expected = SPECS[case.parent.name], host(read(case, "have")), read(case, "plan")
    assert outcome(spec, kernel, read(case, "want")) == expected


def outcome(spec: Any, kernel: Kernel, options: dict[str, Any]) -> dict[str, Any]:
    try:
        wants, purge = parse(spec, options)
        result = run(spec, Adapter(kernel), wants, purge, check=True)
    except SpecError as exc:
        return {"error": str(exc)}
    warnings = {"warnings": result["warnings"]} if result["warnings"] else {}
    return {"commands": result["commands"], **warnings}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}: {case.name}")
def test_the_plan_is_whole_and_can_be_undone_from_everywhere(case):
    expected = read(case, "plan")
    if "error" in expected or "warnings" in expected:
        return
    spec, before = SPECS[case.parent.name], host(read(case, "have"))
    wants, purge = parse(spec, read(case, "want"))
    for number in range(len(expected["commands"])):
        kernel = copied(before)
        with pytest.raises(HostError, match="injected. Everything is as it was before"):
            run(spec, Adapter(kernel, fails_at=number), wants, purge)
        assert state(kernel, wants) == state(before, wants)
    run(spec, Adapter(before), wants, purge)
    assert run(spec, Adapter(before), wants, purge)["commands"] == []
