# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Everything that must be there before anything else can run: ``python3 -m tools.setup``."""

from __future__ import annotations

import fcntl

from . import environments, packages, places, pythons


def link_tree() -> None:
    """Show the repository to Python and Ansible under the name of the collection."""
    link = places.tree() / places.COLLECTION
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(places.REPOSITORY)


def main() -> None:
    places.cache().mkdir(parents=True, exist_ok=True)
    with open(places.cache() / "lock", "w") as lock:
        # Two checkouts share the environments: the second waits, then finds them made.
        fcntl.flock(lock, fcntl.LOCK_EX)
        packages.install_missing()
        found = pythons.interpreters()
        for environment in environments.wanted(found):
            environment.make()
        link_tree()
    print(f"environments: Python {', '.join(str(python) for python in found)}, in {places.cache()}", flush=True)


if __name__ == "__main__":
    main()
