# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""No import goes against the arrows: modules -> reconcile -> spec, plan, host, persist (design, section 4)."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
COLLECTION = "ansible_collections.virtnet.qemu."
# What cannot touch a machine. Whoever needs another pure library adds it here, knowingly.
PURE = frozenset(
    [
        *("__future__", "abc", "base64", "bisect", "collections", "contextlib", "copy", "dataclasses", "datetime"),
        *(
            "difflib",
            "enum",
            "fnmatch",
            "functools",
            "hashlib",
            "heapq",
            "ipaddress",
            "itertools",
            "json",
            "math",
            "netaddr",
        ),
        *("operator", "posixpath", "re", "shlex", "stat", "string", "struct", "textwrap", "types", "typing", "uuid"),
        "xml.etree",
    ]
)
# Built-in functions that reach beyond the program.
IMPURE_CALLS = frozenset(["open", "input", "print", "exec", "eval", "__import__"])


@dataclass(frozen=True)
class Layer:
    """What a layer may import: other layers, and libraries (None: any)."""

    layers: frozenset[str]
    libraries: frozenset[str] | None

    @property
    def pure(self) -> bool:
        return self.libraries == PURE


def layer(*layers: str, libraries: frozenset[str] | None = PURE) -> Layer:
    return Layer(frozenset(layers), libraries)


ON_CONTROLLER = layer("plugin_utils", "_spec", "_plan", "_persist", libraries=None)
LAYERS = {
    "_spec": layer("_spec"),
    "_plan": layer("_plan", "_spec"),
    "_persist": layer("_persist", "_spec"),
    "_host": layer("_host", "_spec", "_persist", libraries=None),
    "_reconcile": layer("_reconcile", "_spec", "_plan", "_host", libraries=None),
    "_boot": layer("_boot", "_spec", "_plan", "_host", "_persist"),
    "modules": layer("_reconcile", "_boot", "_spec", "_host", libraries=PURE | {"ansible.module_utils"}),
    **dict.fromkeys(
        ("action", "connection", "doc_fragments", "filter", "inventory", "lookup", "plugin_utils"), ON_CONTROLLER
    ),
}


def layer_of(name: str) -> str | None:
    """The layer that a dotted name or a path's parts belong to; None for a library."""
    parts = name.split(".")
    if parts[0] != "plugins" or len(parts) < 2:
        return None
    return parts[2] if parts[1] == "module_utils" and len(parts) > 2 else parts[1]


def imported(path: str, tree: ast.AST) -> set[str]:
    """The full names of all that a file imports, anywhere in it."""
    package = PurePosixPath(path).parent.parts
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*above, *([node.module] if node.module else [])])
            names |= {f"{module}.{alias.name}" for alias in node.names}
    return {name[len(COLLECTION) :] if name.startswith(COLLECTION) else name for name in names}


def called(tree: ast.AST) -> set[str]:
    """The names of the functions that are called by their plain name."""
    return {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}


def allowed(name: str, rule: Layer) -> bool:
    target = layer_of(name)
    if target is not None:
        return target in rule.layers
    if rule.libraries is None:
        return True
    return any(f"{name}.".startswith(f"{library}.") for library in rule.libraries)


def violations(path: str, source: str) -> list[str]:
    """What a file imports or calls although its layer may not."""
    own = layer_of(".".join(PurePosixPath(path).with_suffix("").parts))
    if own not in LAYERS:
        return [f"{path} is in no known layer"]
    tree = ast.parse(source)
    found = [name for name in imported(path, tree) if not allowed(name, LAYERS[own])]
    if LAYERS[own].pure:
        found += called(tree) & IMPURE_CALLS
    return sorted(found)


FILES = sorted(str(path.relative_to(REPOSITORY)) for path in (REPOSITORY / "plugins").rglob("*.py"))


def test_the_collection_is_found():
    layers = {layer_of(".".join(PurePosixPath(path).with_suffix("").parts)) for path in FILES}
    assert {"_spec", "_plan", "_host", "_persist", "_reconcile", "_boot", "modules"} <= layers


@pytest.mark.parametrize("path", FILES)
def test_no_arrow_is_crossed(path):
    assert violations(path, (REPOSITORY / path).read_text(encoding="utf-8")) == []


UTILS = "plugins/module_utils"


@pytest.mark.parametrize(
    ("path", "source", "crossed"),
    [
        (f"{UTILS}/_spec/x.py", "import subprocess", "subprocess"),
        (f"{UTILS}/_spec/x.py", "import os.path", "os.path"),
        (f"{UTILS}/_spec/x.py", "from pyroute2 import IPRoute", "pyroute2.IPRoute"),
        (f"{UTILS}/_spec/x.py", "from .._host import netlink", "plugins.module_utils._host.netlink"),
        (f"{UTILS}/_spec/x.py", "from .. import _host", "plugins.module_utils._host"),
        (f"{UTILS}/_spec/x.py", "def f():\n    from .._plan import plan", "plugins.module_utils._plan.plan"),
        (f"{UTILS}/_spec/x.py", f"from {COLLECTION}plugins.modules import tap", "plugins.modules.tap"),
        (f"{UTILS}/_spec/x.py", "data = open('/etc/passwd')", "open"),
        (f"{UTILS}/_spec/x.py", "import reprlib", "reprlib"),
        (f"{UTILS}/_plan.py", "from ._host import netlink", "plugins.module_utils._host.netlink"),
        (f"{UTILS}/_plan.py", "from ._persist import unit", "plugins.module_utils._persist.unit"),
        (f"{UTILS}/_plan.py", "import socket", "socket"),
        (f"{UTILS}/_persist/x.py", "from .._host.files import write", "plugins.module_utils._host.files.write"),
        (
            f"{UTILS}/_persist/x.py",
            "from ansible.module_utils.basic import AnsibleModule",
            "ansible.module_utils.basic.AnsibleModule",
        ),
        (f"{UTILS}/_host/x.py", "from .._reconcile import reconcile", "plugins.module_utils._reconcile.reconcile"),
        (f"{UTILS}/_host/x.py", "from .._plan import Change", "plugins.module_utils._plan.Change"),
        (f"{UTILS}/_reconcile.py", f"import {COLLECTION}plugins.modules.tap", "plugins.modules.tap"),
        ("plugins/modules/x.py", "import os", "os"),
        ("plugins/modules/x.py", "import ansible.constants", "ansible.constants"),
        ("plugins/modules/x.py", f"from {COLLECTION}plugins.module_utils import _plan", "plugins.module_utils._plan"),
        ("plugins/modules/x.py", "from .bridge import main", "plugins.modules.bridge.main"),
        ("plugins/filter/x.py", "from ..module_utils._host import netlink", "plugins.module_utils._host.netlink"),
        ("plugins/plugin_utils/_x.py", f"import {COLLECTION}plugins.modules.tap", "plugins.modules.tap"),
        (f"{UTILS}/_host/x.py", "from ...plugin_utils import _filter", "plugins.plugin_utils._filter"),
        (f"{UTILS}/helpers.py", "", f"{UTILS}/helpers.py is in no known layer"),
    ],
)
def test_a_crossed_arrow_is_seen(path, source, crossed):
    assert violations(path, source) == [crossed]


@pytest.mark.parametrize(
    ("path", "source"),
    [
        (f"{UTILS}/_spec/x.py", "from __future__ import annotations\nimport re, netaddr\nfrom . import base"),
        (f"{UTILS}/_spec/x.py", "from collections.abc import Mapping\nfrom .base import open_port\nopen_port(1)"),
        (f"{UTILS}/_persist/x.py", "from .._spec.service import Service"),
        (f"{UTILS}/_host/x.py", "import os\nfrom pyroute2 import IPRoute\nfrom .._persist import unit"),
        (f"{UTILS}/_reconcile.py", "from ._host.lock import host_lock\nfrom ._plan import plan"),
        ("plugins/modules/x.py", f"from {COLLECTION}plugins.module_utils._reconcile import run_module"),
        ("plugins/modules/x.py", "from ansible.module_utils.basic import AnsibleModule"),
        (
            "plugins/filter/x.py",
            f"from ansible.errors import AnsibleError\nfrom {COLLECTION}plugins.module_utils._spec import base",
        ),
    ],
)
def test_what_follows_the_arrows_is_let_through(path, source):
    assert violations(path, source) == []
