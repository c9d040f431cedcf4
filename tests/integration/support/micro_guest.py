# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fixtures: the micro guest's packages, and the guest itself, built by its module in a sandbox host."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.sandbox import Sandbox

from .packages import Repository, cache
from .player import Player


@pytest.fixture(scope="session")
def package_repository() -> Repository:
    names = ("linux-image-amd64", "linux-image-cloud-amd64", "busybox-static", "qemu-guest-agent")
    return Repository(cache() / "tests/packages", names)


@pytest.fixture(scope="session")
def build_image(
    play: Player, package_repository: Repository, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    def build(flavour: str) -> Path:
        dest = tmp_path_factory.mktemp("images") / flavour
        with Sandbox(f"builder-{os.getpid()}") as host:
            package_repository.offer(host)
            task = {"virtnet.qemu.micro_guest": {"dest": str(dest), "flavour": flavour, "update_cache": True}}
            play(host, [task])
        return dest

    return build


@pytest.fixture(scope="session")
def micro_image(build_image: Callable[[str], Path]) -> Path:
    """The folder with ``vmlinuz`` and ``initrd.img`` of the micro guest (about 12 s, once)."""
    return build_image("amd64")


@pytest.fixture(scope="session")
def micro_cloud_image(build_image: Callable[[str], Path]) -> Path:
    """The same with the kernel that knows virtio only."""
    return build_image("cloud-amd64")
