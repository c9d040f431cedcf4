# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""kernel_module: against the machine's own kernel, and against a host whose kernel seems to have modules.

Loading is the machine's, not a host's: where a test loads, modprobe(8) is a stand-in that writes down what it is told.
"""

from __future__ import annotations

import platform
from typing import Any

import pytest

from tests.integration.support import fails
from tests.sandbox import Sandbox

FILE = "/etc/modules-load.d/virtnet.conf"
NAME = "virtnet_test"
STAND_IN = f"""#!/bin/sh
# usage: modprobe [--dry-run --quiet] NAME
for name; do :; done
[ "$name" = {NAME} ] || {{ echo "modprobe: FATAL: Module $name not found" >&2; exit 1; }}
[ "$1" = --dry-run ] && exit
[ -e /run/refuse ] && {{ echo "modprobe: ERROR: could not insert '$name': Operation not permitted" >&2; exit 1; }}
mkdir "/sys/module/$name"
echo live > "/sys/module/$name/initstate"
"""


def task(*modules: dict[str, Any], **options: Any) -> dict[str, Any]:
    return {"virtnet.qemu.kernel_module": {"config": list(modules), **options}}


@pytest.fixture
def modular(host) -> Sandbox:
    """A host whose kernel can load one module, and where none is loaded."""
    host.run(["mount", "-t", "tmpfs", "tmpfs", "/sys/module"])
    program = host.path("/usr/local/sbin/modprobe")
    program.write_text(STAND_IN)
    program.chmod(0o755)
    return host


def test_a_module_is_loaded_now_and_at_boot(play, modular):
    before = modular.snapshot()
    would = play(modular, [task({"name": "virtnet-test"})], check=True)[0]
    assert modular.snapshot() == before
    assert list(modular.path("/sys/module").iterdir()) == []
    done, again = play(modular, [task({"name": "virtnet-test"})] * 2)
    assert would.commands == done.commands == [f"add {NAME} to {FILE}", f"modprobe {NAME}"]
    assert (done["after"], again.changed) == ([{"name": NAME, "status": "loaded", "at_boot": True}], False)
    assert modular.path(FILE).read_text().splitlines()[1:] == [NAME]
    gone, again = play(modular, [task({"name": NAME, "state": "absent"})] * 2)
    assert (gone.commands, again.changed) == ([f"remove {NAME} from {FILE}"], False)
    assert not modular.path(FILE).exists()
    # Others may use it by now.
    assert modular.path(f"/sys/module/{NAME}").exists()


def test_a_module_that_the_kernel_refuses_is_not_loaded_at_boot_either(play, modular):
    modular.path("/run/refuse").touch()
    (result,) = play(modular, [fails({"virtnet.qemu.kernel_module": {"name": NAME}})])
    assert f"'modprobe {NAME}' failed" in result.msg
    assert "Operation not permitted" in result.msg
    assert "Everything is as it was before" in result.msg
    assert not modular.path(FILE).exists()


def test_purge_keeps_the_list_as_given(play, modular):
    modular.run(["mkdir", "-p", "/etc/modules-load.d"])
    modular.path(FILE).write_text("# mine\nold_one\n")
    (result,) = play(modular, [task({"name": NAME}, purge=True)])
    assert f"remove old_one from {FILE}" in result.commands
    assert modular.path(FILE).read_text().splitlines()[1:] == [NAME]


def test_what_is_built_in_needs_nothing(play, modular):
    modular.run(["mkdir", "/sys/module/builtin_one"])
    before = modular.snapshot()["files"]
    (result,) = play(modular, [task({"name": "builtin-one"})])
    assert not result.changed
    assert modular.snapshot()["files"].keys() - before.keys() == {"/run/virtnet", "/run/virtnet/lock"}


def test_a_device_that_opens_shows_what_is_built_in_without_a_trace(play, modular):
    """So it is with the taps of this machine's kernel, without which no test here would run."""
    (result,) = play(modular, [task({"name": "tun"})])
    assert not result.changed


@pytest.mark.parametrize("check", [False, True])
def test_what_is_missing_and_not_required_is_a_warning(play, host, check):
    (result,) = play(host, [task({"name": "no_such_module", "required": False})], check=check)
    assert not result.changed
    (warning,) = result.warnings
    assert "'no_such_module'" in str(warning)


def test_what_is_missing_and_required_is_a_plain_error(play, host):
    (result,) = play(host, [fails(task({"name": "no_such_module"}))])
    assert result.msg.startswith("name: ")
    assert "no_such_module" in result.msg
    assert platform.release() in result.msg
