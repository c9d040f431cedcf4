# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What runs modules on emulated hosts does with a program what Python does."""

from __future__ import annotations

import base64
import io
import os
import select
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

MANAGED = Path(__file__).parents[1] / "managed"
UTILS = "ansible/module_utils"

Result = subprocess.CompletedProcess


@pytest.fixture
def warm(tmp_path: Path) -> Iterator[Path]:
    """The socket of a server."""
    path = tmp_path / "socket"
    argv = [sys.executable, str(MANAGED / "warm.py"), str(path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout.readline() == "ready\n"
        yield path
        server.terminate()


@pytest.fixture
def start(warm: Path, tmp_path: Path) -> Callable[..., subprocess.Popen]:
    def popen(*words: str, by: Path = warm, inside: tuple[str, ...] = ()) -> subprocess.Popen:
        variables = {"VIRTNET_WARM": str(by), "VIRTNET_PYTHON": sys.executable, "FOLDER": str(tmp_path)}
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        argv = [*inside, str(MANAGED / "warm-python"), *words]
        return subprocess.Popen(argv, text=True, env=os.environ | variables, cwd="/", **pipes)

    return popen


@pytest.fixture
def ask(start) -> Callable[..., Result]:
    def run(program: str, *words: str, **options: Any) -> Result:
        with start(*words, **options) as process:
            output, errors = process.communicate(program)
        return Result(process.args, process.returncode, output, errors)

    return run


def module(program: str, **shared: str) -> str:
    """A program that brings an archive, as modules do; each of `shared` is one of its module_utils."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in {"ansible/__init__": "", f"{UTILS}/__init__": "", **shared}.items():
            archive.writestr(f"{name if '/' in name else f'{UTILS}/{name}'}.py", text)
    data = base64.b64encode(content.getvalue()).decode()
    return f"""
import base64, os, sys
zip_data='{data}'
file = os.environ["FOLDER"] + "/mine.zip"
open(file, "wb").write(base64.b64decode(zip_data))
sys.path.insert(0, file)
{program}"""


@pytest.mark.parametrize(
    "program",
    [
        "import os, sys; print(__name__, sys.argv, os.getcwd(), os.environ['FOLDER']); print('ä', file=sys.stderr)",
        "import sys; print('said'); sys.exit(3)",
        "import sys; sys.exit('why')",
        "import atexit; atexit.register(print, 'at the end'); 1 / 0",
        "import threading, time; threading.Timer(0.1, print, ['from a thread']).start()",
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
        "import subprocess; print(subprocess.run('exit 5', shell=True).returncode)",
    ],
)
def test_a_program_does_what_it_does_by_itself(ask, program):
    warm, cold = ask(program), ask(program, by=Path("/nonexistent"))
    killed = cold.returncode == -signal.SIGKILL
    assert warm.returncode == (128 + signal.SIGKILL if killed else cold.returncode)
    assert warm.stdout == cold.stdout
    assert warm.stderr.splitlines()[-1:] == cold.stderr.splitlines()[-1:]


def test_words_are_for_python_itself(ask):
    assert ask("", "-c", "print('words')").stdout == "words\n"


def test_what_is_imported_already_is_used_while_it_is_the_same(ask, tmp_path):
    """Each import of a file is noted by it."""
    note = f"open('{tmp_path}/noted', 'a').write(f'{{__name__}} ')"
    program = "from ansible.module_utils import one, two; print(one.VALUE, two.VALUE)"
    first = {"one": f"{note}\nVALUE = 1", "two": "VALUE = 2"}
    for shared, said in (
        (first, "1 2"),
        (first, "1 2"),
        ({"three": f"{note}\nVALUE = 3", **first}, "1 2"),
        ({**first, "two": "VALUE = 4"}, "1 4"),
        ({**first, "two": "VALUE = 4"}, "1 4"),
    ):
        result = ask(module(program, **shared))
        assert (result.stdout, result.stderr) == (f"{said}\n", "")
    names = (tmp_path / "noted").read_text().replace("ansible.module_utils.", "").split()
    assert names == ["one", "three", "one"]


def test_what_cannot_be_imported_fails_in_the_module_that_does(ask):
    broken = {"broken": "import nothing_of_this_name"}
    assert ask(module("print('well')", **broken)).stdout == "well\n"
    failed = ask(module("import ansible.module_utils.broken", **broken))
    assert failed.returncode == 1
    assert "No module named 'nothing_of_this_name'" in failed.stderr


def test_it_is_where_the_one_who_asks_is(ask):
    inside = ("unshare", "--net", "--mount", "--uts", "--pid", "--fork", "--mount-proc")
    spaces = [f"/proc/self/ns/{name}" for name in ("mnt", "net", "pid", "uts")]
    program = f"import os, platform; print(os.getppid(), *map(os.readlink, {spaces}), platform.node())"
    here = ask(module(program, noted="import platform; platform.uname()"))
    there = ask(program, inside=(*inside, "sh", "-c", 'hostname elsewhere; exec "$@"', "sh"))
    assert there.stderr == ""
    assert there.stdout.split()[-1] == "elsewhere"
    # The one who asks is the first process there; the server is in no namespace but its own.
    assert there.stdout.split()[0] == "0"
    assert not set(there.stdout.split()[1:]) & set(here.stdout.split()[1:])


def test_it_ends_with_the_one_who_asks(start):
    with start() as process:
        process.stdin.write("import os, signal; print(os.getpid(), flush=True); signal.pause()")
        process.stdin.close()
        handle = os.pidfd_open(int(process.stdout.readline()))
        process.kill()
    readable, _none, _none = select.select([handle], [], [], 10)
    os.close(handle)
    assert readable
