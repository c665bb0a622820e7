"""The commands; each opens its database, runs one tool and prints what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer
from cendry._command.printing import Printer

from .app import Database, Debug, Json, Models, Project, State, TakeOver, Yes, app, guarded
from .indexes import indexes
from .places import Place

app.add_typer(indexes, name="indexes")


def run(arguments: Sequence[str] | None = None) -> None:
    """Run a command.

    Args:
        arguments: Its name and its arguments; by default those of the process.
    """
    app(None if arguments is None else list(arguments))


@app.command(short_help="Rewrite the stored documents of a model, each once.")
def backfill(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model, app.models:City.")],
    function: Annotated[
        str | None,
        typer.Option(metavar="MODULE:NAME", help="Rewrite by this function; by default, by the upgrades of the model."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read, count and show 3 changes; write nothing.")] = False,
    retry_dead: Annotated[
        bool, typer.Option("--retry-dead", help="Rewrite only the documents that were given up.")
    ] = False,
    group: Annotated[
        bool | None,
        typer.Option(
            "--group/--no-group", help="All collections of this id, or that at the root; by default as the model says."
        ),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Threads that read and write.")] = 4,
    rate: Annotated[
        float | None, typer.Option(min=0.001, help="Documents per second of all workers; by default 500/50/5.")
    ] = None,
    state: State = None,
    project: Project = None,
    database: Database = None,
    yes: Yes = False,
    take_over: TakeOver = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Rewrite the stored documents of a model, each once; the same command goes on after a stop, a kill or an error."""

    def work(place: Place) -> int:
        from .rewriting import Options, rewrite

        options = Options(state, group, workers, rate, take_over)
        return rewrite(
            Printer(as_json=as_json),
            model,
            function,
            options,
            place,
            yes=yes,
            dry_run=dry_run,
            retry=retry_dead,
            debug=debug,
        )

    guarded(work, project, database, debug=debug)


@app.command(short_help="Report documents that don't fit their models.")
def drift(
    models: Models,
    sample: Annotated[
        int | None, typer.Option(min=1, help="At most how many documents of each collection are read.")
    ] = None,
    project: Project = None,
    database: Database = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Report which stored documents their models don't read, and what stands in which field. Each costs a read."""

    def work(place: Place) -> int:
        from .scanning import print_drift

        return print_drift(Printer(as_json=as_json), models, place, sample=sample, debug=debug)

    guarded(work, project, database, debug=debug)


@app.command(short_help="Print models that read stored documents.")
def infer(
    collections: Annotated[list[str], typer.Argument(metavar="COLLECTION...", help="The ids of collections.")],
    sample: Annotated[int, typer.Option(min=1, help="At most how many documents of each are read.")] = 10_000,
    group: Annotated[bool, typer.Option("--group", help="All collections of these ids, not that at the root.")] = False,
    project: Project = None,
    database: Database = None,
    debug: Debug = False,
) -> None:
    """Print the source of models that read the documents of collections. Each document costs a read."""

    def work(place: Place) -> int:
        from .scanning import print_models

        return print_models(Printer(as_json=False), collections, place, sample=sample, group=group)

    guarded(work, project, database, debug=debug)
