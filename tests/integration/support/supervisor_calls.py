# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Calls the supervisor of a sandbox host, from inside it.

usage: supervisor_calls.py KIND METHOD < ARGUMENT; argument and result are JSON. Services are given as their
JSON text. A HostError is printed to standard error, and the return code is 1.
"""

from __future__ import annotations

import dataclasses
import json
import sys

from ansible_collections.virtnet.qemu.plugins.module_utils._host import supervisor
from ansible_collections.virtnet.qemu.plugins.module_utils._host.errors import HostError
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.service import Service


def call(kind: str, method: str, argument):
    keeper = supervisor.find(kind)
    if method == "kind":
        return keeper.kind
    if method == "installed":
        return keeper.installed()
    if method == "install":
        services = [Service.from_json(text) for text in argument]
        return keeper.install({service.name: keeper.definition(service) for service in services})
    if method == "definition":
        return keeper.definition(Service.from_json(argument))
    if method == "states":
        return {name: dataclasses.asdict(state) for name, state in keeper.states(argument).items()}
    return getattr(keeper, method)(argument)


if __name__ == "__main__":
    try:
        print(json.dumps(call(sys.argv[1], sys.argv[2], json.load(sys.stdin))))
    except HostError as error:
        sys.exit(str(error))
