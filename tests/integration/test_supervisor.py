# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Both supervisors keep real processes: the plain daemon, and a real systemd as PID 1."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.virtnet.qemu.plugins.module_utils._spec.service import Service
from tests.integration.support.systemd_host import SystemdHost
from tests.sandbox import Sandbox

CALLS = Path(__file__).parent / "support/supervisor_calls.py"
READY = "/run/virtnet/test/ready"


class Keeper:
    """The supervisor of a sandbox host, called from inside it."""

    def __init__(self, host: Sandbox, kind: str, python: str, tree: Path) -> None:
        self.host = host
        self.kind = kind
        self.start = ["env", f"PYTHONPATH={tree}", "PYTHONDONTWRITEBYTECODE=1", python, str(CALLS)]

    def try_to(self, method: str, argument: Any = None, kind: str = "auto") -> subprocess.CompletedProcess[str]:
        return self.host.run([*self.start, kind, method], input=json.dumps(argument), check=False)

    def __call__(self, method: str, argument: Any = None) -> Any:
        done = self.try_to(method, argument)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def fails_to(self, method: str, argument: Any) -> str:
        done = self.try_to(method, argument)
        assert done.returncode == 1, done.stdout
        assert "Traceback" not in done.stderr
        return done.stderr

    def run(self, *services: Service) -> None:
        self("install", [service.as_json() for service in services])
        self("start", [service.name for service in services])

    def state(self, name: str) -> dict[str, Any]:
        return self("states", [name])[name]

    def pid(self, name: str) -> int | None:
        return self.state(name)["pid"]

    def read(self, path: str) -> str:
        return self.host.path(path).read_text()


def service(script: str, name: str = "test", **more: Any) -> Service:
    """A shell script that says it is ready by a file. Its folder belongs to it."""
    given = {"runtime_directory": "virtnet/test", "ready_file": READY, "start_timeout": 20, "stop_timeout": 20}
    return Service(name, "A test", ("/bin/sh", "-c", script), **{**given, **more})


SLEEPS = f"touch {READY}; exec sleep infinity"


@pytest.fixture
def keeper_of(new_host, tmp_path, pytestconfig) -> Iterator[Callable[[str], Keeper]]:
    """Makes a fresh host with that kind of supervisor."""
    python = pytestconfig.getoption("--managed-python")
    link = tmp_path / "ansible_collections/virtnet/qemu"
    link.parent.mkdir(parents=True)
    link.symlink_to(Path(__file__).resolve().parents[2])
    with ExitStack() as hosts:

        def make(kind: str) -> Keeper:
            host = new_host() if kind == "daemon" else hosts.enter_context(SystemdHost(f"systemd-{os.getpid()}"))
            return Keeper(host, kind, python, tmp_path)

        yield make


@pytest.fixture(params=["daemon", "systemd"])
def keeper(request, keeper_of) -> Keeper:
    return keeper_of(request.param)


@pytest.fixture
def daemon(keeper_of) -> Keeper:
    return keeper_of("daemon")


@pytest.fixture
def systemd(keeper_of) -> Keeper:
    return keeper_of("systemd")


def test_auto_finds_what_the_host_has(keeper):
    assert keeper("kind") == keeper.kind


def test_systemd_where_it_does_not_run_is_a_plain_error(daemon):
    done = daemon.try_to("kind", kind="systemd")
    assert "supervisor: systemd does not run this host; use 'daemon' or 'auto'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_process_gets_all_that_its_service_says(keeper):
    keeper.host.run(["ip", "netns", "add", "inside"])
    keeper.host.run(["ip", "-n", "inside", "link", "add", "mark0", "type", "bridge"])
    report = "/run/virtnet/test/report"
    script = (
        f'exec > {report}; id -un; id -Gn; grep -c mark0 /proc/net/dev; echo "$COLOUR";'
        f" ulimit -H -l; stat --format=%U:%a /run/virtnet/test /var/lib/virtnet/test; {SLEEPS}"
    )
    keeper.run(
        service(
            script,
            user="nobody",
            group="games",
            supplementary_groups=("audio",),
            netns="inside",
            environment=(("COLOUR", 'blue "and" 100% $HOME'),),
            limits=(("memlock", "1048576"),),
            state_directory="virtnet/test",
            directory_mode=0o750,
        )
    )
    assert keeper.read(report).splitlines() == [
        "nobody",
        "games audio",
        "1",
        'blue "and" 100% $HOME',
        "1024",
        "nobody:750",
        "nobody:750",
    ]


def test_words_reach_the_program_unchanged(keeper):
    words = ["a b", 'c"d', "e'f", "g\\h", "$i", "${j}", "%k", "%%", "l\nm", "ü", ";", "", "-n"]
    report = "/run/virtnet/test/report"
    script = f'printf "%s\\0" "$@" > {report}; {SLEEPS}'
    keeper.run(replace(service(script), argv=("/bin/sh", "-c", script, "sh", *words)))
    assert keeper.read(report).split("\0")[:-1] == words


def test_a_start_waits_until_the_service_is_ready(keeper):
    os.mkfifo(keeper.host.path("/run/go"))
    keeper("install", [service(f"read go < /run/go; {SLEEPS}").as_json()])
    starting = subprocess.Popen(
        [*keeper.host.enter(), *keeper.start, "auto", "start"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    starting.stdin.write(b'["test"]')
    starting.stdin.close()
    # Opens once the service reads: from here on it runs, and is not ready.
    with keeper.host.path("/run/go").open("w") as go:
        assert keeper.pid("test") is not None
        assert starting.poll() is None
        go.write("now\n")
    assert starting.wait(20) == 0
    starting.stdout.close()


def test_a_service_that_ends_at_once_is_reported_with_its_last_words(keeper):
    keeper("install", [service("echo the disk is on fire; exit 3", restart=False).as_json()])
    said = keeper.fails_to("start", ["test"])
    assert "service 'test' ended right after its start" in said
    assert "the disk is on fire" in said


def test_a_service_that_does_not_get_ready_is_reported(keeper):
    keeper("install", [service("echo still thinking; exec sleep infinity", start_timeout=1).as_json()])
    said = keeper.fails_to("start", ["test"])
    assert "service 'test' was not ready within 1 s" in said
    assert "still thinking" in said


def test_a_program_that_is_not_there_is_reported(keeper):
    keeper("install", [Service("test", "A test", ("/usr/bin/no-such-program",), ready_file=READY).as_json()])
    assert "/usr/bin/no-such-program" in keeper.fails_to("start", ["test"])


def test_what_runs_goes_on_when_started_again(keeper):
    keeper.run(service(SLEEPS))
    before = keeper.pid("test")
    keeper("start", ["test"])
    assert keeper.pid("test") == before


def test_a_changed_definition_is_seen_and_takes_a_restart(keeper):
    old, new = service(SLEEPS), service(SLEEPS, environment=(("COLOUR", "red"),))
    keeper.run(old)
    state = keeper.state("test")
    assert (state["definition"], state["digest"]) == (keeper("definition", old.as_json()), old.digest)
    keeper("install", [new.as_json()])
    state = keeper.state("test")
    # Installed, but the process is still of the old one.
    assert (state["definition"], state["digest"]) == (keeper("definition", new.as_json()), old.digest)
    keeper("restart", ["test"])
    assert keeper.state("test")["digest"] == new.digest


@pytest.fixture
def nohup() -> Iterator[None]:
    """Whatever the test starts ignores SIGHUP, as below nohup(1)."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("nohup")
def test_a_service_is_asked_to_read_its_files_again(keeper):
    os.mkfifo(keeper.host.path("/run/said"))
    script = f"trap 'echo again > /run/said' HUP; touch {READY}; while :; do sleep infinity & wait $!; done"
    keeper.run(service(script, reload=True))
    before = keeper.pid("test")
    keeper("reload", ["test"])
    assert keeper.read("/run/said") == "again\n"
    assert keeper.pid("test") == before


def test_stop_is_a_plain_request_first(keeper):
    script = f"trap 'echo orderly > /run/how; exit 0' TERM; touch {READY}; while :; do sleep infinity & wait $!; done"
    keeper.run(service(script))
    keeper("stop", ["test"])
    assert keeper.pid("test") is None
    assert keeper.read("/run/how") == "orderly\n"


def test_stop_does_not_wait_for_ever(keeper):
    keeper.run(service(f"trap '' TERM; touch {READY}; while :; do sleep 600; done", stop_timeout=1))
    pid = keeper.pid("test")
    keeper("stop", ["test"])
    assert keeper.pid("test") is None
    assert not keeper.host.path(f"/proc/{pid}").exists()


def test_the_command_that_stops_comes_before_the_signal(keeper):
    os.mkfifo(keeper.host.path("/run/end"))
    script = f"trap 'echo signal > /run/how' TERM; touch {READY}; read word < /run/end; echo $word > /run/how"
    stop = ("/bin/sh", "-c", 'echo command > /run/end; while [ -d /proc/"$1" ]; do sleep 0.05; done', "sh")
    keeper.run(service(script))
    keeper("install", [service(script, stop_argv=(*stop, str(keeper.pid("test")))).as_json()])
    keeper("stop", ["test"])
    assert keeper.read("/run/how") == "command\n"


def test_several_stop_at_once(keeper):
    names = ["one", "two", "three"]
    script = "trap '' TERM; touch /run/virtnet/test/{}; while :; do sleep 600; done"
    files = {name: f"/run/virtnet/test/{name}" for name in names}
    keeper.run(*(service(script.format(n), name=n, ready_file=files[n], stop_timeout=3) for n in names))
    begun = time.monotonic()
    keeper("stop", names)
    # One after the other it would be nine seconds.
    assert 3 <= time.monotonic() - begun < 6
    assert [keeper.pid(name) for name in names] == [None] * 3


def test_a_removed_service_leaves_nothing(keeper):
    def files() -> set[str]:
        folders = ["/etc/virtnet", "/etc/systemd/system", "/run/virtnet/services", "/var/log/virtnet"]
        return set(keeper.host.run(["find", *folders, "-mindepth", "1"], check=False).stdout.split())

    before = files()
    keeper.run(service(SLEEPS))
    assert keeper("installed") == ["test"]
    pid = keeper.pid("test")
    keeper("remove", ["test", "never-there"])
    assert keeper("installed") == []
    assert keeper.state("test") == {"definition": None, "pid": None, "digest": None}
    assert not keeper.host.path(f"/proc/{pid}").exists()
    assert files() - before <= {"/etc/systemd/system/multi-user.target.wants"}


def test_a_killed_daemon_is_seen_and_started_anew(daemon):
    daemon.run(service(SLEEPS))
    pid = daemon.pid("test")
    daemon.host.run(["kill", "-9", str(pid)])
    assert daemon.pid("test") is None
    daemon("start", ["test"])
    assert daemon.pid("test") not in (None, pid)


def test_a_pid_that_is_now_of_another_process_is_not_signalled(daemon):
    daemon.run(service(SLEEPS))
    other = int(daemon.host.run(["sh", "-c", "sleep infinity > /dev/null 2>&1 & echo $!"]).stdout)
    pid_file = daemon.host.path("/run/virtnet/services/test.pid")
    _pid, started, boot = pid_file.read_text().split()
    pid_file.write_text(f"{other} {started}1 {boot}\n")
    assert daemon.pid("test") is None
    daemon("stop", ["test"])
    daemon("remove", ["test"])
    assert daemon.host.run(["kill", "-0", str(other)]).returncode == 0


def test_a_pid_file_of_before_a_reboot_means_nothing(daemon):
    daemon.run(service(SLEEPS))
    pid_file = daemon.host.path("/run/virtnet/services/test.pid")
    pid, started, _boot = pid_file.read_text().split()
    pid_file.write_text(f"{pid} {started} 00000000-0000-0000-0000-000000000000\n")
    assert daemon.pid("test") is None


def test_a_zombie_is_no_running_process(daemon):
    daemon("install", [service(SLEEPS).as_json()])
    # The one that starts it is its parent, and does not wait for it.
    code = """
import os, select, signal
from ansible_collections.virtnet.qemu.plugins.module_utils._host.daemon import Daemon
daemon = Daemon()
daemon.start(["test"])
pid = daemon.states(["test"])["test"].pid
ended = os.pidfd_open(pid)
os.kill(pid, signal.SIGKILL)
select.select([ended], [], [])
print(open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[0], daemon.states(["test"])["test"].pid)
"""
    assert daemon.host.run([*daemon.start[:-1], "-c", code]).stdout == "Z None\n"


def test_a_damaged_definition_is_a_plain_error(daemon):
    daemon.run(service(SLEEPS))
    daemon.host.path("/etc/virtnet/services/test.json").write_text('{"no": "service"}')
    assert "/etc/virtnet/services/test.json is damaged" in daemon.fails_to("restart", ["test"])


def test_systemd_starts_a_crashed_service_again(systemd):
    os.mkfifo(systemd.host.path("/run/began"))
    systemd.run(service(f"touch {READY}; echo $$ > /run/began; exec sleep infinity"))
    first = systemd.read("/run/began")
    systemd.host.run(["kill", "-9", first.strip()])
    assert systemd.read("/run/began") not in ("", first)


def test_systemd_starts_at_boot_what_is_enabled(systemd):
    enabled, disabled = service(SLEEPS, name="enabled"), service(SLEEPS, name="disabled", enabled=False)
    systemd.run(enabled, disabled)
    assert None not in (systemd.pid("enabled"), systemd.pid("disabled"))
    systemd.host.reboot()
    assert systemd.pid("enabled") is not None
    assert systemd.pid("disabled") is None


def test_a_unit_that_a_killed_run_wrote_is_loaded_before_it_is_used(systemd):
    old, new = service(SLEEPS), service(SLEEPS, environment=(("COLOUR", "red"),))
    systemd.run(old)
    unit = systemd.host.path("/etc/systemd/system/virtnet-test.service")
    unit.write_text(systemd("definition", new.as_json()))
    systemd("restart", ["test"])
    assert systemd.state("test")["digest"] == new.digest


def test_systemd_finds_no_fault_with_a_unit(systemd):
    every_option = service(
        SLEEPS,
        user="daemon",
        group="games",
        supplementary_groups=("audio",),
        state_directory="virtnet/test",
        limits=(("memlock", "infinity"), ("nofile", "1024:4096")),
        stop_argv=("/bin/true", "100%"),
        reload=True,
        after=("network-online.target",),
        unit_options=(("NoNewPrivileges", "no"), ("CapabilityBoundingSet", "CAP_NET_ADMIN")),
    )
    systemd("install", [every_option.as_json()])
    done = systemd.host.run(["systemd-analyze", "verify", "/etc/systemd/system/virtnet-test.service"])
    assert done.stdout + done.stderr == ""
