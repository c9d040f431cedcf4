# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Arms a checkpoint, confirms it, or has the host restore itself."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping
from typing import Any

from .._spec.checkpoint import check, told
from . import checkpoint_program, checkpoint_state, checkpoint_store as store, checkpoint_timer, managers
from .command import attempt
from .errors import HostError
from .lock import host_lock

#: Seconds that a restore may take.
_PATIENCE = 120
_TIME = "%Y-%m-%d %H:%M:%S %z"


def run(params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """The module's result."""
    check(params)
    if params["state"] == "armed":
        return _arm(params["timeout"], params["by"] or "somebody", check_mode)
    if params["state"] == "confirmed":
        return _confirm(params["probe"], check_mode)
    return _restore(check_mode)


def _result(changed: bool, armed: bool, commands: list[str] | None = None, **more: Any) -> dict[str, Any]:
    return {"changed": changed, "armed": armed, "commands": commands or [], "warnings": [], **more}


def _timer() -> Any:
    return checkpoint_timer.find(checkpoint_program.argv())


def _arm(timeout: int, by: str, check_mode: bool) -> dict[str, Any]:
    with host_lock(held=not check_mode):
        _refuse_if_there(store.read(store.ARMED))
        report = store.read(store.REPORT)
        timer = _timer()
        until = _times(timeout)["until"] if check_mode else _save_and_start(timer, timeout, by)
    result = _result(True, not check_mode, timer.lines(timeout), until=until)
    return {**result, "warnings": [told(report)] if report else [], "restored": report}


def _refuse_if_there(saved: dict[str, Any] | None) -> None:
    if store.RESTORING.exists():
        raise HostError("the host is restoring itself; 'state: restored' waits for the end of that")
    if saved is None:
        return
    runs = "" if _timer().runs() else ", but its timer does not run any more"
    raise HostError(
        f"a checkpoint is armed already, since {saved['armed']} until {saved['until']} by {saved['by']}{runs}; "
        "end it by 'state: confirmed' or 'state: restored' first"
    )


def _times(timeout: int) -> dict[str, Any]:
    now = time.time()
    armed, until = (time.strftime(_TIME, time.localtime(when)) for when in (now, now + timeout))
    return {"armed": armed, "until": until, "deadline": now + timeout}


def _save_and_start(timer: Any, timeout: int, by: str) -> str:
    """Returns until when nothing is restored."""
    store.make()
    # Of a run that was killed: without its state it does nothing.
    timer.stop()
    for path in (store.CONFIRMED, store.ASKED):
        path.unlink(missing_ok=True)
    try:
        checkpoint_program.install()
        units = checkpoint_state.active_units() if timer.supervised else []
        saved = {"by": by, **checkpoint_state.live(), "files": checkpoint_state.files(), "units": units}
        saved["managers"] = managers.ALL.saved() if timer.supervised else {}
        # A slow host needs seconds for what is above.
        saved.update(_times(timeout))
        timer.start(timeout)
        # Last: from here on it is armed, and whoever is killed leaves a timer that runs.
        store.write(store.ARMED, saved)
    except HostError:
        timer.stop()
        if not store.REPORT.exists():
            store.clear()
        raise
    store.REPORT.unlink(missing_ok=True)
    return str(saved["until"])


def _confirm(probe: list[str] | None, check_mode: bool) -> dict[str, Any]:
    saved = store.read(store.ARMED)
    if check_mode:
        return _result(saved is not None, saved is not None)
    if saved and probe:
        _ask(probe, saved)
    with host_lock():
        if store.decided(store.CONFIRMED):
            _end()
            return _result(True, False)
    report = _awaited_report()
    if report is None:
        raise HostError("nothing is armed, so there is nothing to confirm; 'state: armed' comes before the changes")
    _end()
    raise HostError(told(report))


def _end() -> None:
    """Nothing is left; who restores the host may have broken off shortly before that."""
    _timer().stop()
    store.clear()


def _ask(probe: list[str], saved: dict[str, Any]) -> None:
    outlook = f"Nothing was confirmed: the host restores itself at {saved['until']}, or at once by 'state: restored'"
    try:
        done = attempt(probe, timeout=max(1.0, saved["deadline"] - time.time()))
    except HostError as exc:
        raise HostError(f"probe: {exc}. {outlook}") from exc
    if done.code:
        said = done.errors or done.output.strip() or "nothing"
        raise HostError(f"probe: '{shlex.join(probe)}' ended with {done.code} and said: {said.rstrip('.')}. {outlook}")


def _awaited_report() -> dict[str, Any] | None:
    if not store.await_end(time.monotonic() + _PATIENCE):
        raise HostError(
            f"the host began to restore itself and has not come to an end in {_PATIENCE} s; see {store.LOG} or "
            "'journalctl -u virtnet-checkpoint', and finish it by 'state: restored'"
        )
    return store.read(store.REPORT)


def _restore(check_mode: bool) -> dict[str, Any]:
    armed = store.pending()
    if check_mode:
        return _result(armed, armed)
    if armed and not store.is_busy():
        store.ASKED.touch()
        _timer().fire()
    report = _awaited_report()
    if report is None:
        return _result(False, False, restored=None)
    _end()
    if not armed:
        return {**_result(False, False, restored=report), "warnings": [told(report)]}
    if report["failed"] or report["differs"]:
        raise HostError(told(report))
    return _result(True, False, report["commands"], restored=report)
