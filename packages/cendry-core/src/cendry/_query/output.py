"""Outputs: what the results of a query are read as. Documents here; rows and others in modules of their own."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

from .._types.registry import TypeRegistry
from .compile import CompiledQuery, compiled
from .results import Read, reader
from .spec import QuerySpec

T_co = TypeVar("T_co", covariant=True)


class Output(Protocol[T_co]):
    """What the results of a query are read as: a value that can be hashed, compared and pickled."""

    def compiled(
        self, spec: QuerySpec, registry: TypeRegistry, *, complete: bool = False
    ) -> tuple[CompiledQuery, Read[T_co]]:
        """The query that fetches what is needed, and the function that reads a result.

        Args:
            spec: The spec of the query.
            registry: The registry of the context.
            complete: As in `compile.compiled`; the results then include the fields that the query sorts by.
        """
        ...


class Documents:
    """Whole documents, read as instances of the model."""

    __slots__ = ()

    def compiled(
        self, spec: QuerySpec, registry: TypeRegistry, *, complete: bool = False
    ) -> tuple[CompiledQuery, Read[Any]]:
        """The query, and the function from a result to an instance."""
        query = compiled(spec, registry, complete=complete)
        return query, reader(query.codec)


DOCUMENTS = Documents()
