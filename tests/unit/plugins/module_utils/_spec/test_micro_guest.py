# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import struct

import pytest

from ansible_collections.virtnet.qemu.plugins.module_utils._spec.base import SpecError
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.micro_guest import (
    KernelModule,
    MicroGuest,
    dependencies,
    is_shared_library,
    kernel_package,
    kernel_release,
    modinfo,
    module_closure,
    module_name,
    modules_alias,
    modules_dep,
    parse_loader_list,
    parse_stanzas,
)

PARAMS = {
    "dest": "/images/micro",
    "flavour": "amd64",
    "modules": [],
    "state": "present",
    "force": False,
    "update_cache": False,
}


def parse(**params):
    return MicroGuest.parse({**PARAMS, **params})


def module(path, *depends, aliases=()):
    return KernelModule(f"kernel/{path}.ko", depends, aliases)


def elf(**sections):
    """An ELF file with these sections, as little of it as modinfo() looks at."""
    names = b"\0" + b"".join(f".{name}".encode() + b"\0" for name in sections) + b".shstrtab\0"
    body, headers = bytearray(64), [bytes(64)]
    for name, data in {**sections, "shstrtab": names}.items():
        at = names.index(f".{name}".encode() + b"\0")
        headers.append(struct.pack("<IIQQQQ", at, 1, 0, 0, len(body), len(data)).ljust(64, b"\0"))
        body += data
    struct.pack_into("<Q", body, 0x28, len(body))
    struct.pack_into("<HHH", body, 0x3A, 64, len(headers), len(headers) - 1)
    return bytes(body) + b"".join(headers)


def test_options():
    assert parse(dest="/images/micro//").dest == "/images/micro"
    assert parse(modules=["vmxnet3", "sr-mod", "vmxnet3", "virtio_net"]).modules == ("sr_mod", "vmxnet3")


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"dest": "images"}, "dest: 'images' is not an absolute path"),
        ({"dest": "//"}, "dest: '//' is not"),
        ({"modules": ["a/b"]}, "modules: 'a/b' is not the name of a kernel module"),
        ({"modules": [""]}, "modules: '' is not the name of a kernel module"),
        ({"modules": ["é"]}, "modules: 'é' is not the name of a kernel module"),
    ],
)
def test_wrong_options(params, message):
    with pytest.raises(SpecError, match=message):
        parse(**params)


def test_what_the_image_depends_on():
    base = parse().inputs({"files": {}})
    assert parse(dest="/elsewhere", force=True, state="latest", update_cache=True).inputs({"files": {}}) == base
    for other in (
        parse(modules=["vmxnet3"]).inputs({"files": {}}),
        parse(flavour="cloud-amd64").inputs({"files": {}}),
        parse().inputs({"files": {"etc/rc": (0o755, "#!/bin/sh\n")}}),
    ):
        assert other != base


SHOWN = """\
Package: linux-image-amd64
Version: 6.1.192-2
Depends: linux-image-6.1.0-56-amd64 (= 6.1.192-2)
Description: Linux for 64-bit PCs (meta-package)
 This package depends on the latest kernel.
 Version: not this one

Package: libc6
Multi-Arch: same
Version: 2.36-9
Pre-Depends: libcrypt1 (>= 1:4.4.10-10)
Depends: libgcc-s1:any, libfoo (>= 1) | libbar, perl-base [amd64]
"""


def test_records_of_packages():
    stanzas = parse_stanzas(SHOWN)
    assert list(stanzas) == ["linux-image-amd64", "libc6"]
    assert stanzas["linux-image-amd64"]["Version"] == "6.1.192-2"
    assert kernel_package(stanzas["linux-image-amd64"]) == "linux-image-6.1.0-56-amd64"
    assert dependencies(stanzas["libc6"]) == ["libcrypt1", "libgcc-s1", "libfoo", "perl-base"]
    assert is_shared_library(stanzas["libc6"])
    assert not is_shared_library(stanzas["linux-image-amd64"])
    assert parse_stanzas("") == {}
    assert dependencies({"Package": "x"}) == []


def test_a_package_without_a_kernel():
    with pytest.raises(SpecError, match="flavour: the package linux-image-amd64 names no kernel package"):
        kernel_package({"Package": "linux-image-amd64", "Depends": "linux-image-amd64-unsigned"})


def test_release_of_the_kernel():
    assert kernel_release(["libc6", "linux-image-6.1.0-56-cloud-amd64"]) == "6.1.0-56-cloud-amd64"


def test_modinfo():
    info = b"license=GPL\0alias=pci:v00008086d*\0alias=virtio:d1v*\0depends=a-b,c\0empty=\0no pair\0\0"
    data = elf(text=b"\0depends=wrong\0", modinfo=info, data=b"\0alias=wrong\0")
    assert modinfo(data) == {
        "license": ["GPL"],
        "alias": ["pci:v00008086d*", "virtio:d1v*"],
        "depends": ["a-b,c"],
        "empty": [""],
    }
    read = KernelModule.read("kernel/x.ko", data)
    assert read == KernelModule("kernel/x.ko", ("a_b", "c"), ("pci:v00008086d*", "virtio:d1v*"))


def test_modinfo_without_the_section():
    assert KernelModule.read("kernel/x.ko", elf(text=b"depends=a\0")) == KernelModule("kernel/x.ko", (), ())


@pytest.mark.parametrize(
    ("path", "name"),
    [("kernel/drivers/i2c/algos/i2c-algo-bit.ko.xz", "i2c_algo_bit"), ("isofs.ko", "isofs"), ("loop", "loop")],
)
def test_names_of_modules(path, name):
    assert module_name(path) == name


AVAILABLE = {
    "net": module("net", "failover", "ring"),
    "failover": module("failover", "core"),
    "core": module("core"),
    "ring": module("ring", "core"),
    "broken": module("broken", "missing"),
}


def test_modules_come_after_what_they_need():
    closure = module_closure(["net", "absent"], ["ring", "built"], AVAILABLE, ["built"])
    assert [module_name(m.path) for m in closure] == ["core", "failover", "ring", "net"]


def test_nothing_else_comes_along():
    assert module_closure(["core"], [], AVAILABLE, []) == [AVAILABLE["core"]]


@pytest.mark.parametrize(
    ("required", "message"),
    [("absent", "this kernel has no module 'absent'"), ("broken", "another module needs 'missing'")],
)
def test_modules_that_cannot_be_had(required, message):
    with pytest.raises(SpecError, match=message):
        module_closure([], [required], AVAILABLE, [])


def test_modules_dep_has_the_nearest_first_and_each_once():
    closure = module_closure(["net"], [], AVAILABLE, [])
    assert modules_dep(closure).splitlines() == [
        "kernel/core.ko:",
        "kernel/failover.ko: kernel/core.ko",
        "kernel/ring.ko: kernel/core.ko",
        "kernel/net.ko: kernel/failover.ko kernel/ring.ko kernel/core.ko",
    ]


def test_modules_alias():
    assert modules_alias([module("virtio-net", aliases=("virtio:d1v*", "x"))]) == (
        "alias virtio:d1v* virtio_net\nalias x virtio_net\n"
    )


def test_what_the_loader_found():
    text = (
        "\tlinux-vdso.so.1 (0x00007ffc)\n"
        "\tlibglib-2.0.so.0 => /w/usr/lib/x86_64-linux-gnu/libglib-2.0.so.0 (0x00007f)\n"
        "\tlibgone.so.1 => not found\n"
        "\t/lib64/ld-linux-x86-64.so.2 => /w/ld.so (0x00007f)\n"
    )
    assert parse_loader_list(text) == {
        "libglib-2.0.so.0": "/w/usr/lib/x86_64-linux-gnu/libglib-2.0.so.0",
        "libgone.so.1": "",
        "/lib64/ld-linux-x86-64.so.2": "/w/ld.so",
    }
