# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one flow of every module: parse, observe, plan, (check mode: report) apply, read back, persist, report.

A host adapter (``_host/``) gives ``observe(wants, everything=False) -> world``, ``commit(steps)`` and ``close()``;
``everything`` asks for what ``purge`` may remove too.
"""

from __future__ import annotations

import copy
from contextlib import nullcontext
from typing import Any, Callable

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.common.yaml import yaml_dump

from ._host import checkpoint_store, libraries, supervisor
from ._host.errors import HostError
from ._host.lock import host_lock
from ._plan import Change, check_unique, plan, shown
from ._spec import drift
from ._spec.base import Resource, SpecError


def run_module(spec: type[Resource], adapter: Callable[[], Any], boot: Callable[..., Any] | None = None) -> None:
    """The whole of a module's ``main()``: one resource by flat options, or many under ``config``.

    `boot`: makes the `Boot` of a run, where the resources are to be there again after a reboot.
    """
    module = AnsibleModule(
        argument_spec=argument_spec(spec),
        mutually_exclusive=[("config", option) for option in spec.argument_spec],
        required_one_of=[("config", "name")],
        supports_check_mode=True,
    )
    libraries.find_more()
    try:
        wants = parse(spec, module.params)
        kept = boot(spec, entries(spec, module.params), module.params) if boot and supervisor.booted() else None
        result = reconcile(spec, adapter(), wants, module.params["purge"], module.check_mode, kept)
    except ImportError as exc:
        module.fail_json(msg=missing_required_lib((exc.name or str(exc)).partition(".")[0]))
    except (SpecError, HostError) as exc:
        module.fail_json(msg=str(exc))
    for warning in result.pop("warnings"):
        module.warn(warning)
    if module._diff:
        result["diff"] = {side: _text(result[side]) for side in ("before", "after")}
    module.exit_json(**result)


def argument_spec(spec: type[Resource]) -> dict[str, Any]:
    element = copy.deepcopy(spec.argument_spec)
    element["name"]["required"] = True
    persist = {"persist": {"type": "str", "choices": ["auto", "none"], "default": "auto"}}
    return {
        **copy.deepcopy(spec.argument_spec),
        **copy.deepcopy(spec.run_options),
        **(persist if spec.boot_folder else {}),
        "config": {"type": "list", "elements": "dict", "options": element},
        "purge": {"type": "bool", "default": False},
    }


def parse(spec: type[Resource], params: dict[str, Any]) -> list[Resource]:
    """The wanted resources; an error in a list says which entry it is about."""
    if params["config"] is None:
        if params["purge"]:
            raise SpecError("purge: it removes what is not listed under 'config'; give 'config' too")
        return spec.gathered([spec.parse(params)])
    wants = []
    for entry in entries(spec, params):
        try:
            wants.append(spec.parse(entry))
        except SpecError as exc:
            raise SpecError(f"config, '{entry['name']}': {exc}") from exc
    check_unique(wants)
    return spec.gathered(wants)


def entries(spec: type[Resource], params: dict[str, Any]) -> list[dict[str, Any]]:
    """The options of each resource, with those that hold for the whole run."""
    options = {name: params[name] for name in spec.run_options}
    given = params["config"]
    if given is None:
        given = [{name: params[name] for name in spec.argument_spec}]
    return [{**entry, **options} for entry in given]


def reconcile(
    spec: type[Resource],
    adapter: Any,
    wants: list[Resource],
    purge: bool,
    check_mode: bool,
    kept: Any = None,
) -> dict[str, Any]:
    """Bring the machine to `wants`, all of it or nothing. Returns the module's result."""
    try:
        with host_lock(held=not check_mode):
            world = _observe(adapter, wants, purge)
            changes = _plan(spec, wants, world, purge)
            if world.missing and not check_mode:
                raise SpecError("; ".join(world.missing))
            warnings = [f"{text} (in check mode it is taken for granted)" for text in world.missing]
            warnings += getattr(world, "warnings", ())
            at_boot = kept.changes(wants, world) if kept else []
            repaired = _repaired(wants, world, changes, at_boot, kept)
            warnings += [drift.warning(repaired, check_mode)] if repaired else []
            if (changes or at_boot) and not check_mode:
                checkpoint_store.require()
                with kept.prepared(at_boot) if kept else nullcontext():
                    world, at_boot = _apply(spec, adapter, wants, changes, purge, kept)
                warnings += [text for text in getattr(world, "warnings", ()) if text not in warnings]
            warnings += kept.warnings.values() if kept else ()
            report = spec.report(wants, world, changes)
            changes = changes + at_boot
            return {
                **report,
                "changed": bool(changes),
                "commands": [step.line for change in changes for step in change.steps],
                "before": shown(changes, "before"),
                "after": shown(changes, "after"),
                "repaired": repaired,
                "warnings": warnings,
            }
    finally:
        adapter.close()


def _observe(adapter: Any, wants: list[Resource], purge: bool) -> Any:
    return adapter.observe(wants, everything=True) if purge else adapter.observe(wants)


def _plan(spec: type[Resource], wants: list[Resource], world: Any, purge: bool) -> list[Change]:
    return plan(wants, world, spec.strays(wants, world) if purge else ())


def _repaired(wants: list[Resource], world: Any, changes: list[Change], at_boot: list[Change], kept: Any) -> list[str]:
    """What this run is to repair of what was changed by hand, in words."""
    earlier = kept.recorded(wants, world) if kept and changes else {}
    found = []
    for change in changes:
        recorded = earlier.get(change.key) or (change.before and change.before.recorded(change.after))
        found += drift.repairs(change.before, recorded, change.after)
    return found + (kept.repaired(wants, world, at_boot) if kept and (changes or at_boot) else [])


def _apply(
    spec: type[Resource],
    adapter: Any,
    wants: list[Resource],
    changes: list[Change],
    purge: bool,
    kept: Any,
) -> tuple[Any, list[Change]]:
    """Make the changes; returns the world as it is then, and what else changed of what is for the next boot."""
    try:
        adapter.commit([step for change in changes for step in change.steps])
        world = _observe(adapter, wants, purge)
        left = _plan(spec, wants, world, purge)
        if left:
            lines = "; ".join(step.line for change in left for step in change.steps)
            raise HostError(f"the host took every change, but reading it back shows these still to be made: {lines}")
        # Only now: what the kernel and its tools made of the rules is known.
        at_boot = kept.changes(wants, world) if kept else []
        if kept and at_boot:
            kept.commit(at_boot)
        return world, at_boot
    except (HostError, SpecError) as exc:
        raise HostError(f"{exc}. {_undo(adapter, wants, changes, purge)}") from exc
    except BaseException:
        _undo(adapter, wants, changes, purge)
        raise


def _undo(adapter: Any, wants: list[Resource], changes: list[Change], purge: bool) -> str:
    """Lead every touched resource back to where it was; says how that went."""
    try:
        world = _observe(adapter, wants, purge)
        back = [change.undo(world) for change in reversed(changes)]
        adapter.commit([step for change in back if change.before != change.after for step in change.steps])
    except (HostError, SpecError) as exc:
        return f"Undoing what was done so far failed too: {exc}"
    return "Everything is as it was before"


def _text(resources: list[Any]) -> str:
    return "".join(yaml_dump(r, sort_keys=False) + "\n" for r in resources)
