"""The commands; each makes its databases, runs one step and prints what came of it."""

from __future__ import annotations

import sys
from typing import Annotated, Optional

import typer
from cendry.jobs import open_store, write_json

from .failing import FINDINGS, FINE, WrongUseError, guard
from .loading import load_models
from .printing import Printer

app = typer.Typer(
    help="Moves a database from Datastore mode to Firestore in Native mode.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Directory = Annotated[str, typer.Argument(help="The directory of the migration.")]
Models = Annotated[str, typer.Argument(help="A module with models, app.models, or some of them, app.models:City,Shop.")]
Project = Annotated[Optional[str], typer.Option(help="The project; by default that of the environment.")]
Database = Annotated[Optional[str], typer.Option(help="The database; left out, the default one.")]
Namespace = Annotated[Optional[str], typer.Option(help="The namespace; left out, the default one.")]
Ndb = Annotated[bool, typer.Option("--ndb", help="Read what ndb stores as ndb reads it.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Debug = Annotated[bool, typer.Option("--debug", help="Print tracebacks.")]

DIRECTORY = "migration/"


def run() -> None:
    """Run the command line's command."""
    app()


@app.command()
def validate(
    models: Models,
    directory: Directory = DIRECTORY,
    project: Project = None,
    database: Database = None,
    namespace: Namespace = None,
    ndb: Ndb = False,
    sample: Annotated[Optional[int], typer.Option(min=1, help="At most how many entities of each kind are read.")] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Report which entities don't fit their models, and what to know before moving. Each entity costs a read."""

    def work() -> int:
        from ..migrate import Source
        from ..migrate import validate as step
        from .reporting import print_report

        classes = load_models([models], debug=debug)
        store = open_store(directory)
        printer = Printer(as_json=as_json)
        source = Source(project=project, database=database, namespace=namespace)
        with printer.progress("validate") as show:
            report = step(source, classes, sample=sample, ndb=ndb, on_progress=show)
        write_json(store, "validate.json", report.to_json())
        print_report(printer, report, directory)
        return FINE if report.ok else FINDINGS

    guard(work, places=lambda: f"source {project}/{database or '(default)'}", debug=debug)


@app.command()
def infer(
    kind: Annotated[str, typer.Argument(help="The kind.")],
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


@app.command()
def throttle(
    directory: Directory = DIRECTORY,
    rate: Annotated[Optional[float], typer.Option(min=0.001, help="Documents per second of all workers.")] = None,
    pause: Annotated[bool, typer.Option("--pause", help="Hold running copies.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Let them go on.")] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Change the rate of running copies, hold them or let them go on; they look once a second."""

    def work() -> int:
        if (rate is not None) + pause + resume != 1:
            raise WrongUseError("throttle takes one of --rate N, --pause and --resume.")
        return FINE

    guard(work, debug=debug)
