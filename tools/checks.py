# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One check is one command; what it tells is its return code and, from pytest, the number of tests."""

from __future__ import annotations

import subprocess
import time
import xml.etree.ElementTree
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Check:
    """A command to run.

    :param report: the JUnit file it writes; without one the command counts as a single test
    """

    name: str
    argv: Sequence[str]
    folder: Path
    variables: Mapping[str, str]
    report: Path | None = None


@dataclass(frozen=True)
class Outcome:
    name: str
    passed: int
    failed: int
    seconds: float


def count(report: Path) -> tuple[int, int]:
    """Tests passed, and tests that did not pass for whatever reason (a skipped one has shown nothing)."""
    passed = failed = 0
    for suite in xml.etree.ElementTree.parse(report).getroot().iter("testsuite"):
        bad = sum(int(suite.get(key, "0")) for key in ("failures", "errors", "skipped"))
        passed += int(suite.get("tests", "0")) - bad
        failed += bad
    return passed, failed


def run(check: Check) -> Outcome:
    """Run it, its output going where ours goes."""
    print(f"\n=== {check.name}", flush=True)
    began = time.monotonic()
    if check.report is not None:
        check.report.parent.mkdir(parents=True, exist_ok=True)
        check.report.unlink(missing_ok=True)
    code = subprocess.run(check.argv, cwd=check.folder, env=check.variables, check=False).returncode
    passed, failed = int(code == 0), int(code != 0)
    if check.report is not None and check.report.exists():
        passed, tests_failed = count(check.report)
        # pytest may fail without a failed test, when it found none or could not collect them.
        failed = max(failed, tests_failed)
    return Outcome(check.name, passed, failed, time.monotonic() - began)


def table(outcomes: Sequence[Outcome]) -> str:
    """A line for each check, and the sum."""
    width = max(len(outcome.name) for outcome in outcomes)
    lines = [f"{'check':{width}}  {'passed':>6}  {'failed':>6}  {'seconds':>7}"]
    lines += [f"{o.name:{width}}  {o.passed:6}  {o.failed:6}  {o.seconds:7.1f}" for o in outcomes]
    lines.append("")
    lines.append(f"{sum(o.passed for o in outcomes)} passed, {sum(o.failed for o in outcomes)} failed")
    return "\n".join(lines)
