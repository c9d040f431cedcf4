# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The addresses of a host, whoever gave them and for however long."""

from __future__ import annotations

import json

from . import command


def addresses() -> list[dict[str, str]]:
    """Of each interface, but for what every interface has of IPv6."""
    links = json.loads(command.run(["ip", "-json", "address", "show"]))
    return [
        {"interface": link["ifname"], "address": f"{info['local']}/{info['prefixlen']}"}
        for link in links
        for info in link.get("addr_info", ())
        if "local" in info and not (info["family"] == "inet6" and info["scope"] == "link")
    ]
