"""The application, and the options that several commands take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, NoReturn

import typer
from cendry._command.failing import guard
from cendry._command.starting import version_line

from .places import Place

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(version_line("cendry-firestore"))
        raise typer.Exit


@app.callback()
def tools(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Tools for the documents and indexes of a Firestore database."""


Models = Annotated[
    str, typer.Argument(metavar="MODELS", help="A module, app.models, or some models, app.models:City,Shop.")
]
Project = Annotated[str | None, typer.Option(help="The project; by default that of the environment.")]
Database = Annotated[str | None, typer.Option(help="The database; left out, the default one.")]
State = Annotated[
    str | None, typer.Option(metavar="DIRECTORY", help="Where the state is kept; by default below backfills/.")
]
Yes = Annotated[bool, typer.Option("--yes", help="Don't ask before writing to Google Cloud.")]
TakeOver = Annotated[bool, typer.Option("--take-over", help="Take the lock from a process that no longer runs.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Debug = Annotated[bool, typer.Option("--debug", help="Print tracebacks.")]


def guarded(work: Callable[[Place], int], project: str | None, database: str | None, *, debug: bool) -> NoReturn:
    """Do the work of a command on a database, and exit with its code, or with that of its error.

    Args:
        work: Takes the database, and returns the exit code.
        project: The project that was given.
        database: The database that was given.
        debug: Whether tracebacks are printed.
    """
    place = Place(project, database)
    guard(lambda: work(place), places=lambda: str(place), debug=debug)
