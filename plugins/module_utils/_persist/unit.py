# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Renders a service as a systemd unit: systemd.unit(5), systemd.service(5), systemd.exec(5). Pure."""

from __future__ import annotations

import re

from .._spec.service import Service
from .boot_units import BOOT_UNITS

PREFIX = "virtnet-"

#: Sandboxing that suits both dnsmasq and QEMU; a service's own options of the same name win.
_SANDBOX = (
    ("NoNewPrivileges", "yes"),
    ("ProtectSystem", "full"),
    ("PrivateTmp", "yes"),
    ("ProtectControlGroups", "yes"),
    ("ProtectKernelModules", "yes"),
    ("ProtectKernelTunables", "yes"),
    ("ProtectKernelLogs", "yes"),
    ("ProtectHostname", "yes"),
    ("ProtectProc", "invisible"),
    ("RemoveIPC", "yes"),
    ("RestrictAddressFamilies", "AF_UNIX AF_INET AF_INET6 AF_NETLINK AF_PACKET"),
    ("RestrictNamespaces", "yes"),
    ("RestrictRealtime", "yes"),
    ("RestrictSUIDSGID", "yes"),
    ("LockPersonality", "yes"),
    ("SystemCallArchitectures", "native"),
    ("SystemCallFilter", "@system-service"),
    ("SystemCallErrorNumber", "EPERM"),
)
#: Ours; systemd ignores names with this prefix (systemd.unit(5)).
_READY_FILE = "X-ReadyFile"
_DEFAULT_TIMEOUT = 30
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def unit_name(service: str) -> str:
    return f"{PREFIX}{service}.service"


def render(service: Service) -> str:
    """The text of the unit file."""
    sections = {"Unit": _unit(service), "Service": _service(service)}
    if service.enabled:
        sections["Install"] = [("WantedBy", "multi-user.target")]
    blocks = ["\n".join([f"[{name}]", *(f"{k}={v}" for k, v in lines)]) for name, lines in sections.items()]
    return "# Written by virtnet.qemu; changes here are lost.\n" + "\n\n".join(blocks) + "\n"


def enabled(text: str) -> bool:
    """Whether a rendered unit is to be started at boot."""
    return "\n[Install]\n" in text


def ready(text: str) -> tuple[str | None, int]:
    """The file that a rendered unit makes when it is ready, and the seconds that may take."""
    file = re.search(rf"^{_READY_FILE}=(.*)$", text, re.MULTILINE)
    timeout = re.search(r"^TimeoutStartSec=(\d+)s$", text, re.MULTILINE)
    return file and file[1], int(timeout[1]) if timeout else _DEFAULT_TIMEOUT


def _unit(service: Service) -> list[tuple[str, str]]:
    after = ("network.target", "nftables.service", *BOOT_UNITS, *service.after)
    wants = ("Wants", " ".join(BOOT_UNITS))
    return [("Description", _plain(service.description)), wants, ("After", " ".join(after))]


def _service(service: Service) -> list[tuple[str, str]]:
    lines = [("Type", "exec")]
    # With full privileges (+), and after the end whatever comes of it (-).
    lines += [("ExecStartPre", f"+{_command(argv)}") for argv in service.start_pre]
    lines.append(("ExecStart", _command(service.argv)))
    if service.stop_argv:
        # As root: the interpreter may be where the service's own user cannot go.
        lines.append(("ExecStop", f"+{_command(service.stop_argv)}"))
    lines += [("ExecStopPost", f"-+{_command(argv)}") for argv in service.stop_post]
    if service.ready_file:
        lines.append((_READY_FILE, service.ready_file))
    if service.reload:
        # With full privileges (+): the process may be another user's.
        lines.append(("ExecReload", "+/bin/kill -HUP $MAINPID"))
    lines += [("Environment", _word(f"{k}={v}")) for k, v in service.full_environment]
    lines += _identity(service) + _directories(service)
    lines += [(f"Limit{name.upper()}", value) for name, value in service.limits]
    lines += [("TimeoutStartSec", f"{service.start_timeout}s"), ("TimeoutStopSec", f"{service.stop_timeout}s")]
    if service.restart:
        lines += [("Restart", "on-failure"), ("RestartSec", "1s")]
    own = {name for name, _value in service.unit_options}
    lines = [(name, value) for name, value in (*lines, *_SANDBOX) if name not in own]
    return lines + list(service.unit_options)


def _identity(service: Service) -> list[tuple[str, str]]:
    lines = []
    if service.netns:
        lines.append(("NetworkNamespacePath", f"/run/netns/{service.netns}"))
    if service.user:
        lines.append(("User", service.user))
    if service.group:
        lines.append(("Group", service.group))
    if service.supplementary_groups:
        lines.append(("SupplementaryGroups", " ".join(service.supplementary_groups)))
    return lines


def _directories(service: Service) -> list[tuple[str, str]]:
    mode = f"{service.directory_mode:04o}"
    lines = []
    if service.runtime_directory:
        # Without it systemd would remove the directory, shared or not, when the service stops.
        preserve = ("RuntimeDirectoryPreserve", "yes")
        lines += [("RuntimeDirectory", service.runtime_directory), ("RuntimeDirectoryMode", mode), preserve]
    if service.state_directory:
        lines += [("StateDirectory", service.state_directory), ("StateDirectoryMode", mode)]
    return lines


def _command(argv: tuple[str, ...]) -> str:
    return " ".join(_word(word).replace("$", "$$") for word in argv)


def _word(text: str) -> str:
    """One word, quoted and with its specifiers escaped (systemd.syntax(7), systemd.unit(5))."""
    text = _plain(text)
    if re.fullmatch(r"[\w@%+=:,./$-]+", text, re.ASCII):
        return text
    return '"' + "".join(_ESCAPES.get(character, character) for character in text) + '"'


def _plain(text: str) -> str:
    return text.replace("%", "%%")
