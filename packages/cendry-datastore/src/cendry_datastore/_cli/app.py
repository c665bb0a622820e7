"""The commands; each makes its databases, runs one step and prints what came of it."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer
from cendry._command.failing import FINE, PROBLEMS, WrongUseError, guard
from cendry._command.loading import load_models
from cendry._command.printing import Printer
from cendry._command.starting import version_line
from cendry.jobs import Pace, read_pace, write_json, write_pace

from .directories import open_directory, store_of
from .options import (
    DIRECTORY,
    AllowMixed,
    AssumeModes,
    Database,
    Debug,
    Directory,
    Json,
    Models,
    Namespace,
    Ndb,
    Project,
)

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(version_line("cendry-datastore"))
        raise typer.Exit


@app.callback()
def migration(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Moves a database from Datastore mode to Firestore in Native mode."""


@app.command(short_help="Report entities that don't fit their models, and traps.")
def validate(
    models: Models,
    directory: Directory = DIRECTORY,
    project: Project = None,
    database: Database = None,
    namespace: Namespace = None,
    ndb: Ndb = False,
    sample: Annotated[int | None, typer.Option(min=1, help="At most how many entities of each kind are read.")] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Report which entities don't fit their models, and what to know before moving. Each entity costs a read."""

    def work() -> int:
        classes = load_models([models], debug=debug)
        from ..migrate import Source
        from ..migrate import validate as step
        from .reporting import print_report

        store = store_of(directory)
        printer = Printer(as_json=as_json)
        source = Source(project=project, database=database, namespace=namespace)
        with printer.progress("validate") as show:
            report = step(source, classes, sample=sample, ndb=ndb, on_progress=show)
        write_json(store, "validate.json", report.to_json())
        print_report(printer, report, directory)
        return FINE if report.ok else PROBLEMS

    guard(work, places=lambda: f"source {project}/{database or '(default)'}", debug=debug)


@app.command(short_help="Decide on a migration: what is copied, and when it is read.")
def plan(
    models: Annotated[
        str | None, typer.Argument(metavar="MODELS", help="As of validate; needed with --ndb alone.")
    ] = None,
    directory: Annotated[
        str | None, typer.Argument(metavar="DIRECTORY", help="The directory; by default migration/.")
    ] = None,
    project: Project = None,
    database: Database = None,
    namespace: Namespace = None,
    to_project: Annotated[str | None, typer.Option(help="The project of the target; by default the same.")] = None,
    to_database: Annotated[str | None, typer.Option(help="The database of the target.")] = None,
    kind: Annotated[list[str] | None, typer.Option(help="A kind to copy; by default all are.")] = None,
    ndb: Annotated[bool, typer.Option("--ndb", help="Give what ndb stores the form that the models have.")] = False,
    rename: Annotated[list[str] | None, typer.Option(help="KIND=COLLECTION.")] = None,
    namespace_as: Annotated[
        str | None, typer.Option(help="prefix: name collections by the namespace and the kind, ns1_Shop.")
    ] = None,
    foreign: Annotated[str, typer.Option(help="Keys into other databases: refuse, rewrite or string.")] = "refuse",
    index_yaml: Annotated[
        str | None, typer.Option("--index-yaml", help="The index.yaml of the source: its composite indexes.")
    ] = None,
    price_read: Annotated[float | None, typer.Option(min=0, help="Your price of 100,000 reads.")] = None,
    price_write: Annotated[float | None, typer.Option(min=0, help="Your price of 100,000 writes.")] = None,
    renew: Annotated[bool, typer.Option("--renew", help="Set a new moment for a plan whose moment expired.")] = False,
    allow_mixed: AllowMixed = False,
    assume_modes: AssumeModes = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Decide on a migration: what is copied, when it is read, what it takes. Each entity costs a read."""
    is_directory = models is not None and directory is None and (renew or "/" in models or os.path.isdir(models))
    here = (models if is_directory else directory) or DIRECTORY
    modules = None if is_directory else models

    def work() -> int:
        classes = load_models([modules], debug=debug) if modules else []
        from ..migrate import Source, Target
        from .planning import make_plan, renew_plan

        printer = Printer(as_json=as_json)
        if renew:
            return renew_plan(printer, here)
        if ndb and not classes:
            raise WrongUseError("plan --ndb needs the models: cendry-datastore plan app.models --ndb.")
        if foreign not in ("refuse", "rewrite", "string"):
            raise WrongUseError(f"--foreign takes refuse, rewrite or string, not {foreign!r}.")
        if namespace_as not in (None, "prefix"):
            raise WrongUseError(f"--namespace-as takes prefix, not {namespace_as!r}.")
        return make_plan(
            printer,
            here,
            classes if ndb else None,
            source=Source(project=project, database=database, namespace=namespace),
            target=Target(project=to_project or project, database=to_database),
            kinds=kind,
            renames=pairs(rename or []),
            prefix=namespace if namespace_as else None,
            foreign=foreign,
            index_yaml=index_yaml,
            prices=(price_read, price_write),
            allow_mixed=allow_mixed,
            assume_modes=assume_modes,
        )

    places = f"source {project}/{database or '(default)'}, target {to_project or project}/{to_database or '(default)'}"
    guard(work, places=lambda: places, debug=debug)


def pairs(given: list[str], rule: str = "--rename takes KIND=COLLECTION") -> dict[str, str]:
    """`KIND=COLLECTION` as a dict.

    Raises:
        WrongUseError: One of them is not of that form.
    """
    found: dict[str, str] = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not (name and equals and value):
            raise WrongUseError(f"{rule}, not {each!r}.")
        found[name] = value
    return found


@app.command(short_help="Print a model that reads the entities of a kind.")
def infer(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="The kind.")],
    project: Project = None,
    database: Database = None,
    namespace: Namespace = None,
    ndb: Ndb = False,
    sample: Annotated[int, typer.Option(min=1, help="At most how many entities are read.")] = 1_000,
    debug: Debug = False,
) -> None:
    """Print the source of a model that reads the entities of a kind."""

    def work() -> int:
        from ..migrate import Source
        from ..migrate import infer as step

        source = Source(project=project, database=database, namespace=namespace)
        sys.stdout.write(step(source, kind, sample=sample, ndb=ndb))
        return FINE

    guard(work, places=lambda: f"source {project}/{database or '(default)'}", debug=debug)


@app.command(short_help="Slow, hold or resume running copies.")
def throttle(
    directory: Directory = DIRECTORY,
    rate: Annotated[float | None, typer.Option(min=0.001, help="Documents per second of all workers.")] = None,
    pause: Annotated[bool, typer.Option("--pause", help="Hold running copies.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Let them go on.")] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Change the rate of running copies, hold them or let them go on; they look once a second."""

    def work() -> int:
        if (rate is not None) + pause + resume != 1:
            raise WrongUseError("throttle takes one of --rate N, --pause and --resume.")
        store = open_directory(directory)
        before = read_pace(store)
        pace = Pace(before.rate if rate is None else rate, pause or (before.paused and not resume))
        write_pace(store, pace)
        printer = Printer(as_json=as_json)
        printer.result(pace.to_json())
        held = "paused" if pace.paused else "running"
        printer.line(f"{held}, {'500/50/5' if pace.rate is None else f'at most {pace.rate:g} documents per second'}")
        return FINE

    guard(work, debug=debug)
