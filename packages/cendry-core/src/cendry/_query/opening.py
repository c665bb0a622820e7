"""What only a context can check before a query is compiled: page tokens, and a database that a parent names."""

from __future__ import annotations

from typing import Any

from .._immutable import replace
from ..errors import ForeignReferenceError
from ..reference import Ref, located_path
from .source import TokenSource
from .spec import Cursor, QuerySpec


def opened(spec: QuerySpec, source: TokenSource) -> QuerySpec:
    """The query as it can be compiled for a context; mostly the same.

    Args:
        spec: The query.
        source: The context.

    Raises:
        CendryError: The parent names a database, and the backend doesn't say what its own is called.
        ForeignReferenceError: The parent is in another database.
        InvalidPageTokenError: A cursor is a token, and not one of this query.
        UnsupportedByBackendError: A cursor is a token, and the database can't use it there.
    """
    if spec.database is not None:
        _check_database(spec, source.database)
        spec = replace(spec, database=None)
    if not _is_token(spec.start) and not _is_token(spec.end):
        return spec
    # Imported at first use: most programs that import contexts don't read pages.
    from .pages import placed

    return placed(spec, source)


def _check_database(spec: QuerySpec, home: str | None) -> None:
    assert spec.parent is not None
    parent: Ref[Any] = Ref.from_path(spec.parent, database=spec.database)
    if home is None:
        located_path(parent)
    elif home != spec.database:
        raise ForeignReferenceError(parent, home)


def _is_token(cursor: Cursor | None) -> bool:
    return cursor is not None and cursor.token is not None
