# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A test for each step of a run: they are counted first."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.faults.host import ManagedHost
from tests.faults.steps import INTERPRETER, Step
from tests.integration.support import Player

NUMBERS = itertools.count(1)
#: How many steps lie between two of them at which the controller is killed: each takes the whole of a timer.
CONTROLLER_EVERY = 4


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--every", type=int, default=1, help="try only one of so many steps (default: all)")


@pytest.fixture(scope="session")
def play(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Player]:
    with Player(tmp_path_factory.mktemp("ansible"), INTERPRETER, warm=False) as player:
        yield player


@pytest.fixture
def host() -> Iterator[ManagedHost]:
    with ManagedHost(f"faults-{os.getpid()}-{next(NUMBERS)}") as host:
        yield host


class Whole:
    """Something that nothing interrupts: its steps, and what the host is before it and after it."""

    def __init__(self, name: str) -> None:
        with (
            TemporaryDirectory() as folder,
            Player(Path(folder), INTERPRETER, warm=False) as play,
            ManagedHost(f"faults-{os.getpid()}-whole") as host,
        ):
            self.old = host.state()
            self.steps: list[Step] = getattr(host, name)(play)
            self.new = host.state()
            self.left_over = host.left_over()


WHOLE = pytest.StashKey[dict[str, Whole]]()
#: What is tried of a run and of a restore.
TRIED = {
    "step": ("counted", 1),
    "step_of_some": ("counted", CONTROLLER_EVERY),
    "step_of_restore": ("counted_back", 1),
}


def whole(config: pytest.Config, name: str) -> Whole:
    known = config.stash.setdefault(WHOLE, {})
    if name not in known:
        known[name] = Whole(name)
    return known[name]


@pytest.fixture(scope="session")
def reference(pytestconfig: pytest.Config) -> Whole:
    return whole(pytestconfig, "counted")


@pytest.fixture(scope="session")
def undone(pytestconfig: pytest.Config) -> Whole:
    return whole(pytestconfig, "counted_back")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    for fixture, (name, between) in TRIED.items():
        if fixture in metafunc.fixturenames:
            found = [step for step in whole(metafunc.config, name).steps if step.matters_alive]
            chosen = some(found, between * metafunc.config.getoption("--every"))
            metafunc.parametrize(fixture, chosen, ids=[str(step) for step in chosen])


def some(steps: list[Step], between: int) -> list[Step]:
    """One of so many, the last one among them."""
    return steps[::-1][::between][::-1]
