"""The arguments and options that several commands have."""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

import typer

DIRECTORY: Final = "migration/"

Directory: TypeAlias = Annotated[str, typer.Argument(metavar="DIRECTORY", help="The directory of the migration.")]
Models: TypeAlias = Annotated[
    str,
    typer.Argument(metavar="MODELS", help="A module, app.models, or some models, app.models:City,Shop."),
]
Project: TypeAlias = Annotated[str | None, typer.Option(help="The project; by default that of the environment.")]
Database: TypeAlias = Annotated[str | None, typer.Option(help="The database; left out, the default one.")]
Namespace: TypeAlias = Annotated[str | None, typer.Option(help="The namespace; left out, the default one.")]
Ndb: TypeAlias = Annotated[bool, typer.Option("--ndb", help="Read what ndb stores as ndb reads it.")]
AllowMixed: TypeAlias = Annotated[
    bool, typer.Option("--allow-mixed", help="Go on also if one side alone is an emulator.")
]
AssumeModes: TypeAlias = Annotated[
    bool, typer.Option("--assume-modes", help="Take the modes of both databases for right if they are unknown.")
]
TakeOver: TypeAlias = Annotated[
    bool, typer.Option("--take-over", help="Take the lock from a process that no longer runs.")
]
Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Debug: TypeAlias = Annotated[bool, typer.Option("--debug", help="Print tracebacks.")]
