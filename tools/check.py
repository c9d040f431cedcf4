# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs stages and sums up: ``python3 -m tools.check lint unit integration quickstart-test``."""

from __future__ import annotations

import sys

from .checks import Outcome, run, table
from .stages import STAGES, setup


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in STAGES]
    if unknown or not names:
        print(f"error: stages are {', '.join(STAGES)}; not known: {', '.join(unknown) or 'none given'}")
        return 2
    outcomes: list[Outcome] = [run(check) for check in setup()]
    if outcomes[0].failed:
        # Nothing else can run, and that is a failure of each.
        outcomes += [Outcome(f"{name}: not run", 0, 1, 0.0) for name in names]
        names = []
    for name in names:
        outcomes += [run(check) for check in STAGES[name]()]
    print(f"\n{table(outcomes)}", flush=True)
    return int(any(outcome.failed for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
