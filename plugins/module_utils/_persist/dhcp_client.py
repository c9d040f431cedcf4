# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Renders the script that udhcpc calls with news of its lease. Pure."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

from .._spec import dhcp_client as spec
from .._spec.dhcp_client import DhcpClient

_SETTINGS = ("interface", "netns", "metric", "hostname")

#: The variables are those of udhcpc; the options those of RFC 2132 and, for classless routes, RFC 3442.
#: The address and the routes are marked as DHCP's, and live no longer than the lease if the client is killed.
_SCRIPT = """\
#!/bin/sh
# Written by virtnet.qemu; changes here are lost.
# {settings}
# udhcpc has news of its lease: $1, and the lease in variables.
interface={interface}
metric={metric}
record={record}
ready={ready}

# Undo what the record says, apart from what the new one says too.
drop() {{
    [ -e "$record" ] || return 0
    while read -r what words; do
        ! grep -qxF "$what $words" "$record.new" || continue
        case $what in
        address) ip -4 address delete $words ;;
        route) ip -4 route delete $words proto dhcp ;;
        mtu) ip link set $words ;;
        esac
    done < "$record"
}}

put() {{
    while read -r what words; do
        case $what in
        address)
            ip -4 address replace $words broadcast + valid_lft "$lease" preferred_lft "$lease" || return 1
            ;;
        route)
            # Beside somebody else's, which it must not replace.
            [ -n "$(ip -4 route show $words proto dhcp)" ] || ip -4 route append $words proto dhcp
            ;;
        esac
    done < "$record"
}}

note() {{
    echo "address $ip/$mask dev $interface"
    if [ -n "$mtu" ]; then
        # The one it had before the first lease.
        old=$(sed -n 's/^mtu //p' "$record" 2>/dev/null)
        : "${{old:=$(ip -o link show dev "$interface" | sed -n 's/.* \\(mtu [0-9]*\\) .*/\\1/p') dev $interface}}"
        echo "mtu $old"
    fi
    # RFC 3442: classless routes, where there are any, replace the router option.
    [ -n "$staticroutes" ] || staticroutes=${{router:+0.0.0.0/0 ${{router%% *}}}}
    set -- $staticroutes
    while [ $# -gt 1 ]; do
        via="via $2"
        [ "$2" != 0.0.0.0 ] || via="scope link"
        preferred=
        [ "$1" != 0.0.0.0/0 ] || preferred=${{metric:+ metric $metric}}
        echo "route $1 $via dev $interface$preferred"
        shift 2
    done
}}

set -f
case $1 in
deconfig)
    : > "$record.new"
    drop
    rm -f "$record" "$record.new" "$ready"
    ;;
bound | renew)
    lease=${{lease:-forever}}
    note > "$record.new"
    drop
    [ -z "$mtu" ] || ip link set dev "$interface" mtu "$mtu"
    mv "$record.new" "$record"
    put || exit 1
    : > "$ready"
    ;;
esac
"""


def script(want: DhcpClient) -> str:
    """The text of the script."""
    return _SCRIPT.format(
        settings=json.dumps({name: getattr(want, name) for name in _SETTINGS}),
        interface=shlex.quote(want.interface),
        metric="" if want.metric is None else want.metric,
        record=spec.record_file(want.name),
        ready=spec.ready_file(want.name),
    )


def settings(text: str | None) -> dict[str, Any]:
    """What a script was made of: the opposite of `script`. Nothing for another text."""
    found = re.search(r"^# (\{.*\})$", text or "", re.MULTILINE)
    try:
        given = json.loads(found[1]) if found else {}
    except ValueError:
        return {}
    return {name: given[name] for name in _SETTINGS if name in given}
