"""The steps that follow a plan, from the command line: what they ask before, and what they print after."""

from __future__ import annotations

from typing import Any

from cendry._command.failing import FINE, PROBLEMS
from cendry._command.printing import Printer, ask

from ..migrate import Result
from ..migrate._status import Status
from ..migrate.checks import opened
from ..migrate.files import load_shard
from .directories import load_plan

_SHOWN = 20


def copy_plan(printer: Printer, directory: str, *, yes: bool, **options: Any) -> int:
    """Copy, after a question where that writes to Google Cloud."""
    from ..migrate import copy

    store, plan = load_plan(directory)
    with opened(plan) as (source, target):
        if not (yes or options["dry_run"] or target.emulator is not None):
            where = f"from {source.emulator or 'Google Cloud'} to {target.emulator or 'Google Cloud'}"
            ask(f"write {plan.count:,} documents to {target.place}?", where)
        before = [load_shard(store, plan, shard) for shard in plan.shards]
        copied = sum(state.copied for state in before)
        if copied:
            done = sum(state.done for state in before)
            printer.line(f"resuming: {done} of {len(before)} shards done, {copied:,} copied")
        with printer.progress("copy") as show:
            result = copy(plan, state=store, source=source, target=target, on_progress=show, **options)
    return print_result(printer, result, "would copy" if options["dry_run"] else "copied")


def delta_plan(printer: Printer, directory: str, **options: Any) -> int:
    """Copy what has changed."""
    from ..migrate._delta import delta

    store, plan = load_plan(directory)
    with opened(plan) as (source, target), printer.progress("delta") as show:
        result = delta(plan, state=store, source=source, target=target, on_progress=show, **options)
    return print_result(printer, result, "copied")


def print_result(printer: Printer, result: Result, verb: str) -> int:
    """Print what was copied; returns the exit code."""
    printer.result(result.to_json())
    counts = f"{verb} {result.copied:,}  dead {result.dead:,}"
    if result.skipped or result.deleted:
        counts += f"  unchanged {result.skipped:,}  deleted {result.deleted:,}"
    printer.line(f"{counts}  {result.seconds:,.1f} s")
    for name, count in sorted(result.traps.items()):
        printer.line(f"  {name}  {count:,}")
    return PROBLEMS if result.dead else FINE


def mirror_plan(printer: Printer, directory: str, step: str, *, take_over: bool) -> int:
    """Mirror what was given up, or what dual writes left over."""
    from ..migrate._repair import repair, retry_dead

    store, plan = load_plan(directory)
    run = repair if step == "repair" else retry_dead
    found = run(plan, state=store, take_over=take_over)
    printer.result(found.to_json())
    printer.line(f"done {found.done:,}  failed {len(found.failed):,}  waiting {found.waiting:,}")
    for path, error in list(found.failed.items())[:_SHOWN]:
        printer.line(f"  {path}: {error}")
    return PROBLEMS if found.failed else FINE


def print_status(printer: Printer, found: Status, *, check: bool) -> int:
    """Print the state of a migration; returns the exit code."""
    printer.result(found.to_json())
    printer.line(f"phase    {found.phase}, {found.shards_done} of {found.shards} shards done")
    printer.line(f"copied   {found.copied:,}/{found.total:,}  dead {found.dead:,}")
    if found.mode is not None:
        printer.line(f"writers  {found.writers:,} ({found.mode})  open intents {found.open_intents:,}")
        printer.line(f"compared {found.compared:,}  mismatches {found.mismatches:,}")
    for note in found.notes:
        printer.line(f"note     {note}")
    printer.line(f"can_cut_over: {'yes' if found.can_cut_over else 'no: ' + '; '.join(found.reasons)}")
    return PROBLEMS if check and not found.can_cut_over else FINE
