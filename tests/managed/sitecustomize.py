# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Python on managed hosts keeps what it compiles of the archive that a module comes in, as it does with other files.

It is a third of the time that a short module takes. Python imports this file by itself from a folder of PYTHONPATH;
VIRTNET_COMPILED is the folder to keep it in.
"""

from __future__ import annotations

import _imp
import hashlib
import marshal
import os
import sys
import zipimport

FOLDER = os.environ.get("VIRTNET_COMPILED")

compile_source = zipimport._compile_source


def kept(path, source):
    """The code of a source file, by its content: an archive has a new path each time."""
    digest = hashlib.sha256(source).hexdigest()
    file = os.path.join(FOLDER, sys.implementation.cache_tag, digest)
    try:
        with open(file, "rb") as there:
            code = marshal.loads(there.read())
    except (OSError, EOFError, ValueError, TypeError):
        code = compile_source(path, source)
        keep(file, marshal.dumps(code))
    _imp._fix_co_filename(code, path)
    return code


def keep(file, content):
    new = f"{file}.{os.uname().nodename}.{os.getpid()}"
    try:
        os.makedirs(os.path.dirname(file), exist_ok=True)
        with open(new, "wb") as out:
            out.write(content)
        os.replace(new, file)
    except OSError:
        # A host may not let this user write there.
        pass


if FOLDER:
    zipimport._compile_source = kept
