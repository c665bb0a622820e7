"""The commands that follow a plan."""

from __future__ import annotations

import logging
from typing import Annotated

import typer
from cendry._command.failing import guard
from cendry._command.loading import load_models
from cendry._command.printing import Printer

from .app import app, pairs
from .directories import open_directory
from .options import DIRECTORY, AllowMixed, AssumeModes, Debug, Directory, Json, TakeOver


def run() -> None:
    """Run the command line's command."""
    # What is logged about names is in the report, as traps.
    logging.getLogger("cendry").addHandler(logging.NullHandler())
    app()


@app.command(short_help="Copy what was planned, or go on with it.")
def copy(
    directory: Directory = DIRECTORY,
    workers: Annotated[int, typer.Option(min=1, help="Threads that read and write.")] = 4,
    rate: Annotated[
        float | None, typer.Option(min=0.001, help="Documents per second of all workers; by default 500/50/5.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read, translate and count; write nothing.")] = False,
    into_existing: Annotated[
        bool, typer.Option("--into-existing", help="Copy into collections that have documents.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask before writing to Google Cloud.")] = False,
    take_over: TakeOver = False,
    allow_mixed: AllowMixed = False,
    assume_modes: AssumeModes = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Copy what was planned; the same command goes on after a stop, a kill or an error that passes."""

    def work() -> int:
        from .planning import check_emulators
        from .running import copy_plan

        check_emulators(allow_mixed=allow_mixed)
        return copy_plan(
            Printer(as_json=as_json),
            directory,
            yes=yes,
            workers=workers,
            rate=rate,
            dry_run=dry_run,
            into_existing=into_existing,
            take_over=take_over,
            allow_mixed=allow_mixed,
            assume_modes=assume_modes,
        )

    guard(work, debug=debug)


@app.command(short_help="Compare both sides: what is missing, extra, different.")
def verify(
    directory: Directory = DIRECTORY,
    sample: Annotated[str | None, typer.Option(help="A share of the entities, such as 1%.")] = None,
    models: Annotated[
        str | None, typer.Option(help="Models through which some entities are read on both sides: app.models.")
    ] = None,
    ttl: Annotated[
        list[str] | None, typer.Option(help="KIND=FIELD, of a kind with a TTL policy in the target.")
    ] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Compare both sides: documents that are missing, extra or different."""

    def work() -> int:
        classes = load_models([models], debug=debug) if models else []
        from .verifying import share_of, verify_plan

        share = None if sample is None else share_of(sample)
        fields = pairs(ttl or [], "--ttl takes KIND=FIELD")
        return verify_plan(Printer(as_json=as_json), directory, sample=share, models=classes, ttl=fields)

    guard(work, debug=debug)


@app.command(short_help="Show how far it is, and whether to cut over.")
def status(
    directory: Directory = DIRECTORY,
    check: Annotated[bool, typer.Option("--check", help="Exit with 1 if the application must not cut over.")] = False,
    indexes_checked: Annotated[
        bool, typer.Option("--indexes-checked", help="All indexes that the application needs are READY.")
    ] = False,
    waive: Annotated[list[str] | None, typer.Option(help="A dead letter that doesn't matter, by its path.")] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Show how far the migration is, and whether the application may cut over."""

    def work() -> int:
        from ..migrate._status import status as step
        from .running import print_status

        found = step(open_directory(directory), indexes_checked=indexes_checked, waive=waive or ())
        return print_status(Printer(as_json=as_json), found, check=check)

    guard(work, debug=debug)


@app.command(short_help="Copy what has changed since, and delete what is gone.")
def delta(
    directory: Directory = DIRECTORY,
    allow_deletes: Annotated[
        int | None, typer.Option(min=0, help="Documents that may be deleted; by default 100, or 1 % if that is more.")
    ] = None,
    take_over: TakeOver = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Copy what has changed since the copy or the last delta, and delete documents whose entities are gone."""

    def work() -> int:
        from .running import delta_plan

        return delta_plan(Printer(as_json=as_json), directory, allow_deletes=allow_deletes, take_over=take_over)

    guard(work, debug=debug)


@app.command("retry-dead", short_help="Copy the entities that were given up, read anew.")
def retry_dead(
    directory: Directory = DIRECTORY, take_over: TakeOver = False, as_json: Json = False, debug: Debug = False
) -> None:
    """Read the entities anew that could not be documents, and copy them."""

    def work() -> int:
        from .running import mirror_plan

        return mirror_plan(Printer(as_json=as_json), directory, "retry-dead", take_over=take_over)

    guard(work, debug=debug)


@app.command(short_help="Mirror the dual writes that were not mirrored.")
def repair(
    directory: Directory = DIRECTORY, take_over: TakeOver = False, as_json: Json = False, debug: Debug = False
) -> None:
    """Mirror the dual writes that were not mirrored."""

    def work() -> int:
        from .running import mirror_plan

        return mirror_plan(Printer(as_json=as_json), directory, "repair", take_over=take_over)

    guard(work, debug=debug)
