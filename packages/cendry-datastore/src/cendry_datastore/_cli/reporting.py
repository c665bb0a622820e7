"""What the results of steps look like to people."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta

from cendry._command.printing import Printer

from ..migrate import Problem, Report, TrapReport
from ..migrate._plan import Draft, transforms_text
from ..migrate._status import INDEXES_FILE
from ..migrate.forms import moment_text

_SHOWN = 8


def print_report(printer: Printer, report: Report, directory: str) -> None:
    """Print how entities fit models."""
    printer.result(report.to_json())
    rows: list[tuple[object, ...]] = []
    for kind in report.kinds:
        if kind.model is None:
            rows.append((kind.kind, kind.entities, "none", "-", "no model"))
            continue
        own = [each for each in report.problems if each.kind == kind.kind and each.model in ("", kind.model)]
        first = f"{kind.problems:,}  {problem_text(own[0])}" if own else "0"
        rows.append((kind.kind, kind.entities, kind.model, f"{kind.fits:,}", first))
        rows += [("", "", "", "", f"{'':{len(f'{kind.problems:,}')}}  {problem_text(each)}") for each in own[1:_SHOWN]]
        if len(own) > _SHOWN:
            rows.append(("", "", "", "", f"and {len(own) - _SHOWN} more"))
    printer.table(("kind", "entities", "model", "fits", "problems"), rows)
    if report.traps:
        printer.line("Traps")
        grouped: dict[str, list[TrapReport]] = defaultdict(list)
        for trap in report.traps:
            grouped[trap.name].append(trap)
        for name, traps in grouped.items():
            where = ", ".join(trap_text(each) for each in traps[:_SHOWN])
            printer.line(f"  {name}  {sum(each.count for each in traps):,} ({where})")
    misfits = sum(kind.problems for kind in report.kinds)
    verb = "entity doesn't" if misfits == 1 else "entities don't"
    summary = f"{misfits:,} {verb} fit." if misfits else "All entities that have a model fit it."
    printer.line(f"{summary} Full report: {directory.rstrip('/')}/validate.json")


def problem_text(problem: Problem) -> str:
    """`born: expected date, found str (5: Account/__id12__, …)`."""
    more = ", …" if problem.count > len(problem.paths) else ""
    what = f"expected {problem.expected}, found {problem.found}"
    if problem.found.startswith("parts of it"):
        what = f"stored in {problem.found.replace('parts of it', 'parts')}"
    advice = f": {problem.advice}" if problem.advice else ""
    return f"{problem.field or 'the entity'}: {what}{advice} ({problem.count:,}: {', '.join(problem.paths)}{more})"


def trap_text(trap: TrapReport) -> str:
    """`Account.boss`, or an example of a name."""
    return f"{trap.kind}.{trap.field}" if trap.field else trap.example or trap.kind


def print_draft(printer: Printer, made: Draft, directory: str) -> None:
    """Print what was planned."""
    decided, taken = made.plan, made.estimate
    recovery = {True: "on", False: "off", None: "unknown"}[made.recovers]
    end = moment_text((decided.read_time + timedelta(hours=1)).replace(microsecond=0))
    limit = "" if made.recovers else f" -> the copy must end by {end}"
    printer.line(f"Read time  {moment_text(decided.read_time)}   point-in-time recovery: {recovery}{limit}")
    printer.line(f"Estimate   {taken.minutes:,.1f} min at 500/50/5, {taken.cost:,.2f} USD at list prices")
    exemptions = sum(map(len, made.exempt.values()))
    composites = made.composites
    first = "not known (--index-yaml)" if composites is None else f"{len(composites.indexes):,}"
    printer.line(
        f"Reads {taken.reads:,}   writes {taken.writes:,}   verify reads {taken.verify_reads:,}   "
        f"indexes to create first: {first}   exemptions: {exemptions:,} ({directory.rstrip('/')}/{INDEXES_FILE})"
    )
    dropped = () if composites is None else composites.dropped
    for each in dropped:
        printer.line(f"Not in Firestore: {each}")
    printer.table(
        ("kind", "entities", "collection", "shards", "target"),
        [
            (k.kind, k.count, k.collection, len(k.shards), "empty" if k.was_empty else "has documents")
            for k in decided.kinds
        ],
    )
    if lines := list(transforms_text(made.decisions)):
        printer.line(f"Transforms  {'; '.join(lines)}")
    if made.foreign:
        verb = {"refuse": "Refused", "rewrite": "Rewritten", "string": "Kept as text"}[decided.foreign]
        where = ", ".join(f"{each.kind}.{each.field}" for each in made.foreign[:_SHOWN])
        count = sum(each.count for each in made.foreign)
        printer.line(f"{verb}: {count:,} foreign key{'' if count == 1 else 's'} (--foreign): {where}")
    if made.namespaces:
        shown = ", ".join(each or "the default one" for each in made.namespaces[:_SHOWN])
        printer.line(f"Not copied: other namespaces ({shown})")
    printer.result(
        {
            "plan": decided.to_json(),
            "hash": decided.hash,
            "reads": taken.reads,
            "writes": taken.writes,
            "minutes": taken.minutes,
            "cost": taken.cost,
            "foreign": sum(each.count for each in made.foreign),
            "indexes": None if composites is None else len(composites.indexes),
            "dropped_indexes": list(dropped),
            "exemptions": exemptions,
            "namespaces": None if made.namespaces is None else list(made.namespaces),
            "transforms": list(transforms_text(made.decisions)),
        }
    )
