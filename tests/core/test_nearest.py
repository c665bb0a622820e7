"""Search by vector: the rows of `find_nearest` as values, what they ask a backend for, and declared dimensions."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from cendry import (
    AsyncQuery,
    AsyncRows,
    CendryError,
    Field,
    FieldPath,
    InvalidRequestError,
    InvalidValueError,
    Map,
    Model,
    Neighbor,
    Problem,
    Query,
    Rows,
    TypeRegistry,
    UnknownFieldError,
    ValidationError,
    Vector,
    field,
    from_dict,
    json_schema,
    validate,
)
from cendry.plan import Condition, Nearest, Order, QueryPlan
from google.cloud.firestore_v1.vector import Vector as SdkVector


class Part(Map):
    embedding: Field[Vector] = field(alias="e m", dimension=2)


class Photo(Model, collection="photos"):
    title: Field[str] = field(default="")
    taken: Field[int] = field(default=0)
    embedding: Field[Vector | None] = field(default=None, dimension=3)
    free: Field[Vector | str | None] = field(default=None)
    secret: Field[Vector | None] = field(default=None, repr=False)
    part: Field[Part | None] = field(default=None)
    notes: Field[Any] = field(default=None)


class Shape(Model, collection="shapes", tag_field="kind"):
    v: Field[Vector] = field(dimension=1)


class Circle(Shape, tag="circle"):
    pass


class Square(Shape, tag="square"):
    pass


ONE = Vector([1, 2, 3])


def find(*arguments: Any, query: Any = None, **options: Any) -> Any:
    return (Query(Photo) if query is None else query).find_nearest(*arguments, **{"limit": 5, **options})


# --- values ---


def test_the_rows_are_values() -> None:
    rows = find(Photo.embedding, ONE, query=Query(Photo, Photo.taken > 1), threshold=1)
    assert isinstance(rows, Rows)
    assert rows == find("embedding", (1, 2, 3.0), query=Query(Photo, Photo.taken > 1), threshold=1.0)
    assert hash(rows) == hash(copy.copy(rows))
    assert rows == pickle.loads(pickle.dumps(rows))
    others = [
        find(Photo.embedding, ONE),
        find(Photo.free, ONE, query=Query(Photo, Photo.taken > 1), threshold=1),
        find(Photo.embedding, [1, 2, 4], query=Query(Photo, Photo.taken > 1), threshold=1),
        find(Photo.embedding, ONE, query=Query(Photo, Photo.taken > 1), threshold=1, limit=6),
        find(Photo.embedding, ONE, query=Query(Photo, Photo.taken > 1), threshold=1, distance="euclidean"),
        find(Photo.embedding, ONE, query=Query(Photo, Photo.taken > 1)),
        Query(Photo, Photo.taken > 1).values(Photo.embedding),
    ]
    assert rows not in others
    assert len(others) == len(set(others))


def test_the_repr_evaluates_to_the_same_rows() -> None:
    rows = find(Photo.embedding, ONE, query=Query(Photo, Photo.taken > 1), threshold=-0.5, distance="dot_product")
    text = "find_nearest(Photo.embedding, Vector([1.0, 2.0, 3.0]), limit=5, distance='dot_product', threshold=-0.5)"
    assert f"Query(Photo, Photo.taken > 1).{text}" == repr(rows)
    assert rows == eval(repr(rows))
    nested = find(Photo.part[Part.embedding], [1, 2])
    assert nested == eval(repr(nested)) == find("part.embedding", [1, 2])
    assert "AsyncQuery(Photo).find" in repr(AsyncQuery(Photo).find_nearest(Photo.embedding, ONE, limit=1))
    assert isinstance(AsyncQuery(Photo).find_nearest(Photo.embedding, ONE, limit=1), AsyncRows)


def test_the_vector_of_a_hidden_field_is_not_shown() -> None:
    for key in (Photo.secret, FieldPath("secret")):
        assert "secret" in repr(find(key, [7, 8]))
        assert "7" not in repr(find(key, [7, 8]))


def test_neighbors_are_values() -> None:
    one = Neighbor(Photo(id="a"), 0.5)
    assert one == Neighbor(Photo(id="a"), 0.5) == pickle.loads(pickle.dumps(one))
    assert one != Neighbor(Photo(id="a"), 0.25)
    assert (Photo(id="a"), 0.5) == (one.document, one.distance)
    assert f"Neighbor(document={one.document!r}, distance=0.5)" == repr(one)


# --- plans ---


def test_the_plan_of_a_search(ctx: Any, backend: Any) -> None:
    query = ctx.select(Photo, Photo.taken > 1, order_by=Photo.title)
    rows = find(Photo.part[Part.embedding], SdkVector([1, 2]), query=query, distance="euclidean", threshold=2)
    assert [] == rows.to_list()
    nearest = Nearest(FieldPath("part", "e m"), Vector([1, 2]), 5, "euclidean", 2.0)
    where, orders = Condition(FieldPath("taken"), ">", 1), (Order(FieldPath("title")),)
    expected = QueryPlan("photos", where=where, orders=orders, nearest=nearest)
    assert [("run", expected)] == backend.calls
    assert "1.0" not in repr(nearest)
    backend.calls.clear()
    rows.first()
    rows.one_or_none()
    assert [1, 2] == [plan.nearest.limit for _, plan in backend.calls]
    assert [None, None] == [plan.limit for _, plan in backend.calls]
    assert None is ctx.select(Photo).find_nearest(Photo.embedding, ONE, limit=1).one_or_none()
    assert 1 == backend.calls[-1][1].nearest.limit


def test_results_are_read_with_their_distances(ctx: Any, backend: Any) -> None:
    backend.put("photos/a", {"embedding": Vector([1, 2, 4]), "title": "A"})
    [found] = find(Photo.embedding, ONE, query=ctx.select(Photo), distance="euclidean").to_list()
    assert Neighbor(Photo(id="a", title="A", embedding=Vector([1, 2, 4])), 1.0) == found


def test_last_and_pages_are_refused(ctx: Any, backend: Any) -> None:
    rows = find(Photo.embedding, ONE, query=ctx.select(Photo))
    for refused in (rows.last, lambda: rows.page(3), lambda: rows.paginate(3)):
        with pytest.raises(CendryError, match=r"no last\(\), page\(\) and paginate\(\): use first\(\) or to_list\(\)"):
            refused()
    assert [] == backend.calls


def test_kinds_of_documents_in_one_collection(ctx: Any, backend: Any) -> None:
    backend.put("shapes/a", {"kind": "circle", "v": Vector([1])})
    backend.put("shapes/b", {"kind": "square", "v": Vector([2])})
    every = ctx.select(Shape).find_nearest(Shape.v, [0], limit=5, distance="euclidean")
    assert [(Circle, 1.0), (Square, 2.0)] == [(type(each.document), each.distance) for each in every.to_list()]
    squares = ctx.select(Square).find_nearest(Square.v, [0], limit=5, distance="euclidean")
    assert [("b", 2.0)] == [(each.document.id, each.distance) for each in squares.to_list()]


# --- what is refused ---


@pytest.mark.parametrize(
    ("search", "message"),
    [
        (lambda query: find(Photo.embedding, ONE, query=query.limit(3)), "in a query with a limit"),
        (lambda query: find(Photo.embedding, ONE, query=query.limit_to_last(3)), "in a query with a limit"),
        (lambda query: find(Photo.embedding, ONE, query=query.offset(3)), "in a query with an offset"),
        (lambda query: find(Photo.embedding, ONE, query=query.start_at({"taken": 1})), "in a query with a cursor"),
        (lambda query: find(Photo.embedding, ONE, query=query.end_at({"taken": 1})), "in a query with a cursor"),
        (lambda query: find(Photo.embedding, ONE, query=query, limit=0), "limit= from 1 to 1000, not 0"),
        (lambda query: find(Photo.embedding, ONE, query=query, limit=1001), "limit= from 1 to 1000, not 1001"),
        (lambda query: find(Photo.embedding, ONE, query=query, limit=1 << 999), "not an int of 1000 bits"),
        (lambda query: find(Photo.embedding, ONE, query=query, distance="l2"), "'dot_product', not 'l2'"),
        (lambda query: find(Photo.embedding, ONE, query=query, distance=None), "'dot_product', not None"),
        (lambda query: find(Photo.embedding, ONE, query=query, threshold=float("nan")), "threshold=, not nan"),
        (lambda query: find(Photo.embedding, ONE, query=query, threshold=1 << 1999), "threshold=, not inf"),
    ],
)
def test_searches_that_are_not_valid(ctx: Any, backend: Any, search: Callable[[Any], Any], message: str) -> None:
    with pytest.raises(InvalidRequestError, match=message) as caught:
        search(ctx.select(Photo))
    assert "nothing was sent" in str(caught.value)
    assert [] == backend.calls


@pytest.mark.parametrize(
    ("key", "vector", "message"),
    [
        (Photo.embedding, [1, 2], r"Photo\.embedding: expected a vector of dimension 3, as declared, found 2 comp"),
        ("part.embedding", [1], r"Photo\.part\.embedding: expected a vector of dimension 2, .*found 1 component\."),
        (Photo.free, [], "dimension 1 to 2048, found 0 components"),
        (Photo.notes, [0.0] * 2049, "dimension 1 to 2048, found 2049 components"),
        (FieldPath("any"), [1, float("nan")], r"Photo\.any: expected a vector of finite numbers, found nan"),
        (Photo.embedding, [1, 2, -float("inf")], "expected a vector of finite numbers, found -inf"),
        (Photo.title, ONE, r"a field of vectors for find_nearest\(\), found a field that holds str"),
        (Photo.id, ONE, "a field of vectors"),
        (Photo.part, ONE, "a field of vectors"),
    ],
)
def test_fields_and_vectors_that_do_not_fit(key: Any, vector: Any, message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        find(key, vector)


@pytest.mark.parametrize(
    "vector", ["123", b"123", {1.0: 2.0}, {1.0, 2.0}, 5, None, [1, "2"], [1, True], [1, None], [10**400], [[1.0]]]
)
def test_what_is_no_vector(vector: Any) -> None:
    with pytest.raises(TypeError, match="a Vector or a sequence of floats"):
        find(Photo.free, vector)


@pytest.mark.parametrize(
    ("vector", "message"),
    [
        ([1, "2"], "component 1 is not a float, but an object of str"),
        ([[1.0]], "component 0 is not a float, but an object of list"),
        ([True], "component 0 is not a float, but an object of bool"),
        ([1, 10**400], "component 1 is an int beyond the range of floats"),
    ],
)
def test_the_component_that_is_wrong_is_named(vector: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        find(Photo.free, vector)


def test_arguments_of_the_wrong_kind() -> None:
    for limit in (True, 1.0, None, "5"):
        with pytest.raises(TypeError, match="limit= as an int"):
            find(Photo.embedding, ONE, limit=limit)
    for threshold in (True, "0.5", ONE):
        with pytest.raises(TypeError, match="threshold= as a number or None"):
            find(Photo.embedding, ONE, threshold=threshold)
    with pytest.raises(TypeError, match="find_nearest takes a field of Photo"):
        find(5, ONE)
    with pytest.raises(TypeError, match="is a field of Part, not of Photo"):
        find(Part.embedding, ONE)
    with pytest.raises(UnknownFieldError, match="embedding"):
        find("embeding", ONE)


# --- declared dimensions ---


def test_vectors_of_another_dimension_are_not_written(ctx: Any, backend: Any) -> None:
    wrong = Photo(id="a", embedding=Vector([1]), part=Part(embedding=ONE))
    writes: list[Callable[[], Any]] = [
        lambda: ctx.save(wrong),
        lambda: ctx.create(wrong),
        lambda: ctx.save_many([wrong]),
        lambda: ctx.update(Photo, "a", {Photo.embedding: Vector([1])}),
        lambda: ctx.update(Photo, "a", Photo.part[Part.embedding].set(ONE)),
        lambda: ctx.update(Photo, "a", {"part": Part(embedding=ONE)}),
    ]
    for write in writes:
        with pytest.raises(InvalidValueError, match=r"of \d dimensions.*, found one of \d") as caught:
            write()
        assert "dimension" == caught.value.code
    assert [] == backend.calls
    with pytest.raises(ValidationError) as several:
        ctx.save(wrong)
    expected = [("embedding", "dimension"), ("part.embedding", "dimension")]
    assert expected == [(problem.path, problem.code) for problem in several.value.problems]
    ctx.save(Photo(id="a", embedding=ONE, part=Part(embedding=Vector([1, 2])), free=Vector([1])))


def test_vectors_of_another_dimension_are_read() -> None:
    backend_data = {"embedding": Vector([1])}
    problem = Problem("embedding", "Vector of 3 dimensions", "one of 1", "dimension")
    assert [problem] == validate(Photo, backend_data)
    with pytest.raises(ValidationError, match="found one of 1"):
        from_dict(Photo, backend_data)


def test_the_json_schema_has_the_dimension() -> None:
    vectors = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
    assert vectors == json_schema(Part)["properties"]["embedding"]


def test_stored_vectors_of_another_dimension_stay_readable(ctx: Any, backend: Any) -> None:
    backend.put("photos/a", {"embedding": Vector([1]), "part": {"e m": ONE}})
    photo = ctx.get(Photo, "a")
    assert (Vector([1]), ONE) == (photo.embedding, photo.part.embedding)


def test_the_components_of_a_hidden_vector_are_not_shown() -> None:
    class Hidden(Model, collection="hidden"):
        v: Field[Vector] = field(repr=False, dimension=2)

    [problem] = validate(Hidden, {"v": Vector([7])})
    assert "a value that is not shown" == problem.found


def test_where_a_dimension_can_be_declared() -> None:
    registry = TypeRegistry()

    class Embedding(list[float]):
        pass

    registry.register(Embedding, serialize=Vector, deserialize=Embedding)

    class Many(Model, collection="many", type_registry=registry):
        required: Annotated[Field[Vector], field(dimension=1)]
        either: Field[Vector | str] = field(default="", dimension=1)
        sdk: Field[SdkVector | None] = field(default=None, dimension=1)
        own: Field[Embedding | None] = field(default=None, dimension=1)
        anything: Field[Any] = field(default=None, dimension=1)
        again: Field[Annotated[Vector | None, "a comment"]] = field(default=None, dimension=1)

    good: dict[str, Any] = {
        "required": Vector([1]),
        "either": "ab",
        "sdk": SdkVector([1]),
        "own": Embedding([1]),
        "again": Vector([1]),
    }
    assert Many(**good) == from_dict(Many, good)
    bad = {"either": ONE, "sdk": SdkVector([1, 2]), "own": Embedding([1, 2]), "anything": ONE, "again": ONE}
    for name, value in bad.items():
        [problem] = validate(Many, {**good, name: value})
        assert (name, "dimension") == (problem.path, problem.code)
    for name in ("required", "either", "own", "anything", "again"):
        with pytest.raises(InvalidValueError, match="dimension 1, as declared"):
            Query(Many).find_nearest(name, [1, 2], limit=1)
    assert 1 == Many.__cendry_fields__["required"].dimension


@pytest.mark.parametrize("annotation", [str, int, list[float], dict[str, float], Part, bytes | None])
def test_where_it_can_not(annotation: Any) -> None:
    with pytest.raises(TypeError, match=r"Wrong\.v.*dimension=3"):

        class Wrong(Model, collection="wrong"):
            v: Field[annotation] = field(dimension=3)


@pytest.mark.parametrize("dimension", [0, -1, 2049, True, 1.0, "3"])
def test_dimensions_that_no_vector_has(dimension: Any) -> None:
    with pytest.raises(TypeError, match=r"Wrong\.v.*dimension= takes an int from 1 to 2048"):

        class Wrong(Model, collection="wrong"):
            v: Field[Vector] = field(dimension=dimension)
