"""Search by vector: the documents of a query whose vectors are nearest to another one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Final, Generic, TypeVar, cast, final, get_args

from .._frozen import freeze, source
from .._immutable import dataclass, replace
from .._interop.google import class_of
from .._types.registry import TypeRegistry
from .._types.shapes import describe, dimension_of, hides, holds_vectors
from ..backend import StoredDocument
from ..codec import codec_for
from ..errors import CendryError, InvalidRequestError, InvalidValueError
from ..filters import field_key
from ..plan import MAX_NEIGHBORS, Distance, Nearest, shown_int
from ..values import MAX_DIMENSIONS, Vector
from .compile import CompiledQuery, compiled
from .fields import FieldRef, named_field, resolved
from .results import Read, reader
from .spec import QuerySpec

T_co = TypeVar("T_co", covariant=True)

_DISTANCES: Final[tuple[str, ...]] = get_args(Distance)


@final
@dataclass(frozen=True, slots=True)
class Neighbor(Generic[T_co]):
    """A document that `find_nearest` found.

    Attributes:
        document: The document.
        distance: How far its vector is from the one that was searched for: 0 for an equal vector, or for
            `distance="dot_product"` the product, which is larger for a nearer one. NaN if it is undefined, such as the
            cosine distance of a zero vector.
    """

    document: T_co
    distance: float

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any, /) -> Any:
        # Pydantic would take the whole docstring, which is about Python.
        found = handler(schema)
        handler.resolve_ref_schema(found)["description"] = "A document, and how far its vector is from the other one."
        return found


@dataclass(frozen=True, slots=True)
class Neighbors:
    """The documents with the nearest vectors, as an output of a query.

    Attributes:
        field: The field of the vectors.
        vector: The vector that is searched for.
        limit: The maximum number of documents.
        distance: How distances are measured.
        threshold: The largest distance, or the smallest dot product; `None` for any.
        is_hidden: Whether the vector is shown nowhere.
    """

    field: FieldRef
    vector: Vector
    limit: int
    distance: Distance
    threshold: float | None
    is_hidden: bool

    def _key(self) -> tuple[Any, ...]:
        return field_key(self.field), freeze(self.vector), self.limit, self.distance, self.threshold

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, Neighbors) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        vector = "..." if self.is_hidden else source(self.vector)
        shown = [repr(self.field), vector, f"limit={self.limit}", f"distance={self.distance!r}"]
        if self.threshold is not None:
            shown.append(f"threshold={self.threshold}")
        return f"find_nearest({', '.join(shown)})"

    def compiled(
        self, spec: QuerySpec, registry: TypeRegistry, *, complete: bool = False
    ) -> tuple[CompiledQuery, Read[Neighbor[Any]]]:
        """The query that searches by vector, and the function from a result to a neighbor.

        Raises:
            CendryError: The results are to be read from the last, or in pages.
        """
        if complete or spec.from_last:
            raise CendryError(
                "find_nearest() returns the nearest documents at once, so its rows have no last(), page() and "
                f"paginate(): use first() or to_list(), with a limit= of at most {MAX_NEIGHBORS}."
            )
        query = compiled(spec, registry)
        path = resolved(query.codec, self.field).path
        nearest = Nearest(path, self.vector, self.limit, self.distance, self.threshold)
        document = reader(query.codec)

        def read(result: StoredDocument) -> Neighbor[Any]:
            return Neighbor(document(result), cast("Any", result).distance)

        return replace(query, plan=replace(query.plan, nearest=nearest)), read


def neighbors(
    spec: QuerySpec, key: object, vector: object, limit: object, distance: object, threshold: object
) -> Neighbors:
    """The search that a user asked for, checked.

    Raises:
        InvalidRequestError: The query has a limit, an offset or a cursor; or `limit`, `distance` or `threshold` is none
            of those that Firestore takes.
        InvalidValueError: The field doesn't hold vectors, or the vector doesn't fit it.
        TypeError: An argument is of the wrong kind.
        UnknownFieldError: A name is not declared.
    """
    _check_query(spec)
    model = spec.model
    reference = named_field(model, key, "find_nearest")
    if isinstance(limit, bool) or not isinstance(limit, int):
        raise TypeError(f"find_nearest() takes limit= as an int, not {limit!r}.")
    if not 1 <= limit <= MAX_NEIGHBORS:
        raise InvalidRequestError.not_sent(
            f"find_nearest() takes limit= from 1 to {MAX_NEIGHBORS}, not {shown_int(limit)}."
        )
    if distance not in _DISTANCES:
        known = f"{', '.join(map(repr, _DISTANCES[:-1]))} or {_DISTANCES[-1]!r}"
        raise InvalidRequestError.not_sent(f"find_nearest() takes distance={known}, not {distance!r}.")
    field = resolved(codec_for(model), reference)
    if not holds_vectors(field.shape):
        expected, found = "a field of vectors for find_nearest()", f"a field that holds {describe(field.shape)}"
        raise InvalidValueError(model.__qualname__, field.text, expected, found)
    wanted = _components(vector)
    fault = _fault(wanted, dimension_of(field.shape))
    if fault is not None:
        raise InvalidValueError(model.__qualname__, field.text, *fault)
    is_hidden = field.hidden or hides(field.shape)
    return Neighbors(reference, wanted, limit, cast("Distance", distance), _threshold(threshold), is_hidden)


def _check_query(spec: QuerySpec) -> None:
    if spec.limit is not None or spec.offset:
        given = "an offset" if spec.limit is None else "a limit"
    elif spec.start is not None or spec.end is not None:
        given = "a cursor"
    else:
        return
    raise InvalidRequestError.not_sent(
        f"find_nearest() can't search in a query with {given}. It finds the nearest of all documents that match the "
        "filters; its own limit= says how many"
    )


def _components(vector: object) -> Vector:
    if isinstance(vector, Vector):
        return vector
    if isinstance(vector, Iterable) and not isinstance(vector, (str, bytes, bytearray, Mapping, set, frozenset)):
        components: list[Any] = [*cast("Any", vector)]
        places = (place for place, each in enumerate(components) if type(each) is not float and not _is_component(each))
        wrong = next(places, None)
        if wrong is None:
            return Vector(components)
        found = f"component {wrong} is not a float, but an object of {class_of(components[wrong]).__name__}"
        if isinstance(components[wrong], int) and not isinstance(components[wrong], bool):
            found = f"component {wrong} is an int beyond the range of floats"
        raise TypeError(f"find_nearest() takes a Vector or a sequence of floats; {found}.")
    raise TypeError(
        f"find_nearest() takes a Vector or a sequence of floats, not an object of {class_of(vector).__name__}."
    )


def _is_component(value: Any) -> bool:
    if isinstance(value, (bool, str, bytes, bytearray)):
        return False
    try:
        float(value)
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def _fault(vector: Vector, dimension: int | None) -> tuple[str, str] | None:
    """What is expected of the vector and what was found, if it can't be searched for."""
    length = len(vector)
    found = f"{length} component{'s' * (length != 1)}"
    if dimension is not None and length != dimension:
        return f"a vector of dimension {dimension}, as declared", found
    if not 1 <= length <= MAX_DIMENSIONS:
        return f"a vector of dimension 1 to {MAX_DIMENSIONS}", found
    odd = next((each for each in vector if not math.isfinite(each)), None)
    return None if odd is None else ("a vector of finite numbers", str(odd))


def _threshold(threshold: object) -> float | None:
    if threshold is None:
        return None
    if isinstance(threshold, bool) or not isinstance(threshold, (int, float)):
        raise TypeError(f"find_nearest() takes threshold= as a number or None, not {threshold!r}.")
    try:
        found = float(threshold)
    except OverflowError:
        found = math.inf
    if not math.isfinite(found):
        raise InvalidRequestError.not_sent(f"find_nearest() takes a finite number as threshold=, not {found}.")
    return found
