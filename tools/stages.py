# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What ``make lint``, ``make unit``, ``make integration`` and the others consist of."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from . import places
from .checks import Check
from .copy import make_copy
from .scenarios import NAMED

# What pip's bootstrap script is called in the cache of ansible-test: 2.19's name, and 2.21's.
BOOTSTRAP_SCRIPTS = ("get_pip_24_2.py", "get_pip_25_2.py")
# Tests at once: each integration test has hosts of its own, and one with guests takes 1 GiB at most.
# One more than cores, since they wait for leases, silence and guests that boot.
WORKERS = min((os.cpu_count() or 1) + 1, 4)


def _python(role: str) -> str:
    return str(places.environment(role) / "bin/python")


def _either(role: str, otherwise: str) -> str:
    """The role, on machines that have an interpreter for it."""
    return role if places.environment(role).exists() else otherwise


def _ask(role: str, code: str) -> str:
    return subprocess.check_output([_python(role), "-c", code], env=places.variables(), text=True).strip()


def _library(role: str, package: str) -> str:
    return _ask(role, f"from importlib.metadata import version; print(version({package!r}))")


def _version(role: str) -> str:
    return _ask(role, "import sys; print('%d.%d' % sys.version_info[:2])")


def setup() -> list[Check]:
    argv = [sys.executable, "-m", "tools.setup"]
    return [Check("setup", argv, places.REPOSITORY, places.variables())]


def lint() -> list[Check]:
    copy = make_copy()
    tools = places.environment("controller") / "bin"
    home = places.cache() / "ansible-test"
    path = f"{tools}:/usr/sbin:/usr/bin:/sbin:/bin"
    variables = places.variables(ANSIBLE_COLLECTIONS_PATH=str(places.checkout() / "copy"), PATH=path, NO_COLOR="1")
    for name in BOOTSTRAP_SCRIPTS:
        script = home / ".ansible/test/cache" / name
        script.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(Path(__file__).with_name("get_pip.py"), script)

    def check(name: str, *argv: str, **more: str) -> Check:
        return Check(f"lint: {name}", [str(tools / argv[0]), *argv[1:]], copy, variables | more)

    return [
        check("ruff check", "ruff", "check", "--no-cache"),
        check("ruff format", "ruff", "format", "--no-cache", "--check"),
        check("yamllint", "yamllint", "--strict", "."),
        check("ansible-lint", "ansible-lint", "--offline", "--strict"),
        check(
            "antsibull-docs",
            *("antsibull-docs", "lint-collection-docs", "--plugin-docs", "--validate-collection-refs=self", "."),
        ),
        check("antsibull-changelog", "antsibull-changelog", "lint"),
        check(
            "ansible-test sanity",
            *("ansible-test", "sanity", "--color", "no", "--python", _version("controller")),
            HOME=str(home),
        ),
    ]


def _pytest(name: str, role: str, folder: str, *more: str, **variables: str) -> Check:
    report = places.checkout() / "results" / f"{name.replace(' ', '-').replace(':', '')}.xml"
    parallel = [f"--numprocesses={WORKERS}", "--dist=worksteal"]
    options = ["-o", f"cache_dir={places.checkout() / 'pytest'}", f"--junit-xml={report}", *parallel, *more]
    argv = [_python(role), "-m", "pytest", folder, *options]
    given = places.variables(**{"PYTHONPATH": str(places.tree()), **variables})
    return Check(name, argv, places.REPOSITORY, given, report)


def _module_library() -> Path:
    """A folder with Ansible's module library alone: all of Ansible that a module finds on a managed host."""
    source = Path(_ask("controller", "import ansible; print(ansible.__path__[0])"))
    package = places.checkout() / "managed/ansible"
    shutil.rmtree(package, ignore_errors=True)
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    for name in ("module_utils", "release.py"):
        (package / name).symlink_to(source / name)
    return package.parent


def unit() -> list[Check]:
    library = _module_library()
    checks = []
    for environment in sorted(places.environment("").iterdir()):
        role = environment.name
        label = f"unit: Python {_version(role)}, pyroute2 {_library(role, 'pyroute2')}"
        if role.startswith("controller"):
            checks.append(_pytest(f"{label}, ansible-core {_library(role, 'ansible-core')}", role, "tests/unit"))
        else:
            path = f"{places.tree()}:{library}"
            # What runs on controllers only needs all of Ansible.
            more = ["--ignore=tests/unit/plugins/action"]
            checks.append(_pytest(label, role, "tests/unit", *more, PYTHONPATH=path, NO_COLOR="1"))
    return checks


def integration() -> list[Check]:
    """Both ends: the oldest Ansible that manages the oldest libraries, and the newest with the newest."""
    checks = []
    newest, oldest = "not full", "not full and (not newest_end or both_ends)"
    for controller, managed in ((_either("controller-oldest", "controller"), "managed-oldest"), ("controller",) * 2):
        name = f"integration: ansible-core {_library(controller, 'ansible-core')}"
        name += f", Python {_version(managed)}, pyroute2 {_library(managed, 'pyroute2')}"
        chosen = newest if controller == managed else oldest
        checks.append(_integration(name, controller, managed, chosen))
    return checks


def integration_full() -> list[Check]:
    """What takes long: real host network managers and libvirt, guests over whose networks somebody's hands went."""
    return [_integration("integration: what takes long", "controller", "controller", "full")]


def _integration(name: str, controller: str, managed: str, chosen: str) -> Check:
    return _pytest(name, controller, "tests/integration", f"--managed-python={_python(managed)}", "-m", chosen)


def quickstart() -> list[Check]:
    argv = [str(places.REPOSITORY / "tools/virtnet"), "quickstart", "test"]
    return [Check("quick start", argv, places.REPOSITORY, places.variables())]


def _scenarios(suite: str, *names: str, stage: str = "molecule", **variables: str) -> list[Check]:
    report = places.checkout() / "results" / f"{stage}-{suite}.xml"
    argv = [sys.executable, "-m", "tools.scenarios", f"--suite={suite}", f"--report={report}", *names]
    given = places.variables(**variables)
    return [Check(f"{stage}: VM hosts of Debian {suite}", argv, places.REPOSITORY, given, report)]


def molecule() -> list[Check]:
    return _scenarios("trixie")


def some_molecule() -> list[Check]:
    """What of them is done within the hour on a slow machine: the most common model, and the one with most parts."""
    return _scenarios("trixie", "nat", "virtual_router", stage="some-molecule")


def molecule_old() -> list[Check]:
    return _scenarios("bookworm")


def _killed(name: str, *more: str) -> Check:
    return _pytest(name, "controller", "tests/faults", *more)


def faults() -> list[Check]:
    """Every step of a run that bridges the uplink interrupted, and reboots with every host network manager."""
    return [
        _killed("faults: killed at every step"),
        *_scenarios("trixie", *NAMED, stage="faults", VIRTNET_FAULTS="all"),
        *_scenarios("bookworm", "models-networkd", stage="faults"),
    ]


def some_faults() -> list[Check]:
    """What of them fits into a short time; Molecule's scenarios have theirs."""
    return [_killed("faults: killed at some steps", "--every=20")]


STAGES: dict[str, Callable[[], list[Check]]] = {
    "lint": lint,
    "unit": unit,
    "integration": integration,
    "integration-full": integration_full,
    "some-faults": some_faults,
    "quickstart-test": quickstart,
    "some-molecule": some_molecule,
    "molecule": molecule,
    "molecule-old": molecule_old,
    "faults": faults,
}
