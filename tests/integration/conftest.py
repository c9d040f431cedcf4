# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fixtures for tests that run Ansible against sandbox hosts of this machine."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version

import pytest

from tests.integration.support import Player
from tests.integration.support.micro_guest import (
    build_image,
    micro_cloud_image,
    micro_image,
    package_repository,
)
from tests.sandbox import LanHost, Machine, Sandbox

# Fixtures of other files, for all tests.
__all__ = ["build_image", "micro_cloud_image", "micro_image", "package_repository"]

NUMBERS = itertools.count(1)
ASK_VERSIONS = (
    "import platform; from importlib.metadata import version as v;"
    "print('Python', platform.python_version(), 'pyroute2', v('pyroute2'))"
)
# What belongs to the machine's network; its processes and files change as they like.
UNTOUCHED = ("links", "routes", "rules", "namespaces", "nftables", "iptables", "sysctls")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--managed-python",
        default=os.environ.get("VIRTNET_MANAGED_PYTHON", sys.executable),
        help="interpreter that runs the modules in the sandbox hosts (default: the one that runs the tests)",
    )


def pytest_report_header(config: pytest.Config) -> str:
    managed = config.getoption("--managed-python")
    said = subprocess.run([managed, "-c", ASK_VERSIONS], capture_output=True, text=True, check=True).stdout.strip()
    return f"controller: ansible-core {version('ansible-core')}; managed side: {said} ({managed})"


@pytest.fixture(scope="session", autouse=True)
def machine_untouched() -> Iterator[None]:
    """All tests together leave the machine's own network as it was."""
    before = Machine().snapshot()
    yield
    after = Machine().snapshot()
    for subject in UNTOUCHED:
        assert after[subject] == before[subject], f"the tests changed the machine's own {subject}"


@pytest.fixture(scope="session")
def play(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Player]:
    """Runs tasks: ``results = play(host, [task, ...], check=True)``; see :class:`Player`."""
    with Player(tmp_path_factory.mktemp("ansible"), pytestconfig.getoption("--managed-python")) as player:
        yield player


@pytest.fixture
def new_host() -> Iterator[Callable[[], Sandbox]]:
    """Makes one more fresh host with each call."""
    made = []

    def make() -> Sandbox:
        host = Sandbox(f"host-{os.getpid()}-{next(NUMBERS)}")
        host.start()
        made.append(host)
        return host

    yield make
    for host in made:
        host.stop()


@pytest.fixture
def host(new_host: Callable[[], Sandbox]) -> Sandbox:
    """A fresh host with nothing but a loopback interface (made in 0.04 s)."""
    return new_host()


@pytest.fixture(scope="module")
def common_host() -> Iterator[Sandbox]:
    """A host for all tests of a file, which leave it as they find it."""
    with Sandbox(f"host-{os.getpid()}-{next(NUMBERS)}") as host:
        yield host


@pytest.fixture(scope="module")
def common_lan(common_host: Sandbox) -> Iterator[LanHost]:
    """The LAN that ``common_host`` is plugged into."""
    with LanHost(f"lan-{os.getpid()}-{next(NUMBERS)}") as lan:
        lan.connect(common_host)
        yield lan


@pytest.fixture
def lan(host: Sandbox) -> Iterator[LanHost]:
    """A LAN with web and name server; ``host`` is plugged into it by its ``uplink0``, 192.0.2.10."""
    with LanHost(f"lan-{os.getpid()}-{next(NUMBERS)}") as lan:
        lan.connect(host)
        yield lan
