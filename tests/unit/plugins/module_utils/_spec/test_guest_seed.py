# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest

from ansible_collections.virtnet.qemu.plugins.module_utils._spec.base import SpecError
from tests.unit.guests import want

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ web@example"


def seed(**entry):
    return want(seed=entry).definition.seed


def test_the_files_of_nocloud():
    made = dict(seed(ssh_keys=[KEY], user_data={"packages": ["nginx"]}, network_config={"version": 2}).files)
    assert json.loads(made["meta-data"]) == {"instance-id": "web1", "local-hostname": "web1", "public-keys": [KEY]}
    first, _newline, rest = made["user-data"].partition("\n")
    assert first == "#cloud-config"
    assert json.loads(rest) == {"packages": ["nginx"]}
    assert json.loads(made["network-config"]) == {"version": 2}


def test_texts_are_taken_as_they_are():
    files = dict(seed(user_data="#!/bin/sh\necho hello", network_config="version: 1\n", hostname="box").files)
    assert files["user-data"] == "#!/bin/sh\necho hello\n"
    assert files["network-config"] == "version: 1\n"
    assert json.loads(files["meta-data"])["local-hostname"] == "box"


def test_there_is_always_user_data():
    """cloud-init takes a NoCloud seed without user-data for none at all."""
    assert dict(seed(hostname="box").files)["user-data"].startswith("#cloud-config\n")


def test_another_content_is_another_file():
    assert seed(hostname="a").path("web1") != seed(hostname="b").path("web1")
    assert seed(hostname="a") == seed(hostname="a")


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"ssh_keys": ["AAAAC3Nza"]}, ["seed.ssh_keys", "public key"]),
        ({"ssh_keys": [f"{KEY}\n{KEY}"]}, ["seed.ssh_keys", "public key"]),
        ({"network_config": ["eth0"]}, ["seed.network_config", "list"]),
        ({"user_data": 5}, ["seed.user_data", "int"]),
    ],
)
def test_refused(entry, words):
    with pytest.raises(SpecError) as caught:
        seed(**entry)
    assert [word for word in words if word not in str(caught.value)] == []
