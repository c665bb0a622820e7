"""The commands `cendry-firestore indexes`: what models and queries need, compared with a file. They deploy nothing."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from enum import Enum
from typing import Annotated, NoReturn

import typer
from cendry._command.failing import guard
from cendry._command.printing import Printer

from .app import Debug, Json

indexes = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    short_help="Derive indexes, check and extend firestore.indexes.json.",
    help="What models and queries need of indexes, compared with firestore.indexes.json. Nothing is deployed.",
)


class Form(str, Enum):
    """The forms in which indexes are printed."""

    firebase = "firebase"
    gcloud = "gcloud"
    terraform = "terraform"


class Edition(str, Enum):
    """The editions of Firestore."""

    standard = "standard"
    enterprise = "enterprise"


File = Annotated[str, typer.Argument(metavar="FILE", help="The firestore.indexes.json.")]
AnyModels = Annotated[
    list[str] | None, typer.Argument(metavar="MODELS", help="Modules, app.models, or models, app.models:City.")
]
Project = Annotated[str | None, typer.Option(help="The project that commands and resources name.")]
Database = Annotated[str | None, typer.Option(help="The database that commands and resources name.")]
Unused = Annotated[str | None, typer.Option(help="Taken as by all commands; nothing is sent.")]
Recording = Annotated[
    list[str] | None,
    typer.Option(metavar="FILE", help="What pytest --cendry-record-indexes has written; may be given several times."),
]


@indexes.command("derive", short_help="Print the indexes that models and queries need.")
def derive_indexes(
    models: AnyModels = None,
    recording: Recording = None,
    form: Annotated[Form, typer.Option("--format", help="What is printed.")] = Form.firebase,
    project: Project = None,
    database: Database = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Print the indexes that models declare, and that recorded queries need besides."""

    def work(printer: Printer) -> int:
        from .indexing import Output, asked_for, print_derived

        asked = asked_for(models or [], recording or [], debug=debug)
        return print_derived(printer, asked, Output(form.value, project, database))

    _guarded(work, as_json=as_json, debug=debug)


@indexes.command("check", short_help="Compare a file with what is needed.")
def check_file(
    file: File,
    models: AnyModels = None,
    recording: Recording = None,
    edition: Annotated[
        Edition, typer.Option(help="Of the database; enterprise answers without indexes too, so they are advice.")
    ] = Edition.standard,
    project: Unused = None,  # noqa: ARG001 - all commands take it
    database: Unused = None,  # noqa: ARG001
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Compare a file with what models declare and recorded queries need; exit code 1 if anything is missing."""

    def work(printer: Printer) -> int:
        from .indexing import asked_for, print_check

        asked = asked_for(models or [], recording or [], debug=debug)
        options = [part for each in recording or [] for part in ("--recording", each)]
        again = shlex.join([file, *(models or []), *options])
        return print_check(printer, file, asked, enterprise=edition is Edition.enterprise, again=again)

    _guarded(work, as_json=as_json, debug=debug)


@indexes.command("merge", short_help="Add to a file what is missing, in place.")
def merge_file(
    file: File,
    models: AnyModels = None,
    recording: Recording = None,
    prune: Annotated[
        bool, typer.Option("--prune", help="Remove composite indexes that no recorded query uses; nothing else.")
    ] = False,
    project: Unused = None,  # noqa: ARG001 - all commands take it
    database: Unused = None,  # noqa: ARG001
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask before removing.")] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Add to a file, in place, what models declare and recorded queries need; all else in it stays as it is."""

    def work(printer: Printer) -> int:
        from .indexing import asked_for, merge_into

        asked = asked_for(models or [], recording or [], debug=debug)
        return merge_into(printer, file, asked, prune=prune, yes=yes)

    _guarded(work, as_json=as_json, debug=debug)


@indexes.command("from-datastore", short_help="Print the indexes that replace an index.yaml.")
def translate(
    file: Annotated[str, typer.Argument(metavar="FILE", help="The index.yaml of App Engine or Datastore mode.")],
    collection: Annotated[
        list[str] | None,
        typer.Option(metavar="KIND=COLLECTION", help="The collection of a kind that is called otherwise."),
    ] = None,
    form: Annotated[Form, typer.Option("--format", help="What is printed.")] = Form.firebase,
    project: Project = None,
    database: Database = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Print the indexes that Firestore needs in place of those of Datastore mode."""

    def work(printer: Printer) -> int:
        from .indexing import Output, print_translated

        return print_translated(printer, file, collection or [], Output(form.value, project, database))

    _guarded(work, as_json=as_json, debug=debug)


def _guarded(work: Callable[[Printer], int], *, as_json: bool, debug: bool) -> NoReturn:
    printer = Printer(as_json=as_json)

    def guarded() -> int:
        from .indexing import with_conflicts

        return with_conflicts(printer, lambda: work(printer))

    guard(guarded, debug=debug)
