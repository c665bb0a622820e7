from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cendry.errors import MissingIndexError
from cendry.paths import FieldPath
from cendry.plan import Aggregation, AggregationPlan, Nearest, QueryPlan
from cendry.values import Vector
from cendry_memory import AsyncMemoryBackend, MemoryBackend
from memory.asking import after, at, both, by, either, is_, ref

_DIRECTIONS = {"↓": {"order": "DESCENDING"}, "*": {"arrayConfig": "CONTAINS"}}


def index(fields: str, *, group: bool = False) -> dict[str, Any]:
    """An index in Firebase's form: `"tags* a c↓ __name__↓"`, `*` for CONTAINS, `↓` for DESCENDING."""
    parts = [
        {"fieldPath": part.rstrip("↓*"), **_DIRECTIONS.get(part[-1], {"order": "ASCENDING"})} for part in fields.split()
    ]
    return {"collectionGroup": "c", "queryScope": "COLLECTION_GROUP" if group else "COLLECTION", "fields": parts}


def exemption(field: str, *modes: str) -> dict[str, Any]:
    """A field override: `"COLLECTION ASCENDING"`, `"COLLECTION_GROUP CONTAINS"`."""
    indexes = []
    for each in modes:
        scope, mode = each.split()
        indexes.append({**({"arrayConfig": mode} if mode == "CONTAINS" else {"order": mode}), "queryScope": scope})
    return {"collectionGroup": "c", "fieldPath": field, "indexes": indexes}


AUTOMATIC = ("COLLECTION ASCENDING", "COLLECTION DESCENDING", "COLLECTION CONTAINS")


def declared(*definitions: dict[str, Any]) -> dict[str, Any]:
    return {
        "indexes": [each for each in definitions if "fields" in each],
        "fieldOverrides": [each for each in definitions if "fields" not in each],
    }


def query(where: Any = None, *orders: str, **options: Any) -> QueryPlan:
    return QueryPlan("c", where=where, orders=by(*orders), **options)


def missing(plan: QueryPlan, *definitions: dict[str, Any], aggregations: Any = None) -> Any:
    """The definition that a query asks for, or `None` if it is served."""
    backend = MemoryBackend(strict_indexes=declared(*definitions) if definitions else None)
    try:
        if aggregations is None:
            list(backend.run(plan))
        else:
            backend.aggregate(AggregationPlan(plan, tuple(aggregations)))
    except MissingIndexError as error:
        refusal = error
    else:
        return None
    assert refusal.collection == "c"
    first = refusal.index[0] if isinstance(refusal.index, list) else refusal.index
    assert json.dumps(first, ensure_ascii=False) in str(refusal)
    return refusal.index


def eq(field: str) -> Any:
    return is_(f"`{field}`" if field == "é" else field, "==", 1)


AB = index("a b")
TAGS = is_("tags", "array-contains", 1)


@pytest.mark.parametrize(
    ("plan", "have", "expected"),
    [
        (query(), [], None),
        (query(eq("a")), [], None),
        (query(both(eq("a"), eq("b"), eq("s"))), [], None),
        (query(both(is_("a", "in", [1, 2]), eq("b"))), [], None),
        (query(both(is_("a", "in", [1, 2]), is_("b", "in", [1, 2]))), [], None),
        (query(both(TAGS, eq("a"))), [], None),
        (query(both(is_("a", "in", [1]), is_("b", "array-contains-any", [1, 2]))), [], None),
        (query(is_("c", ">", 1), "-c"), [], None),
        (query(is_("a", "!=", 1)), [], None),
        (query(is_("a", "not-in", [1])), [], None),
        (query(both(is_("a", "is-not-null"), is_("a", "<", 5)), "a"), [], None),
        (query(eq("a"), "a"), [], None),
        (query(None, "-b"), [], None),
        (query(None, "b", limit=5, offset=2, start=at(1), end=after(2), projection=()), [], None),
        (query(both(eq("a"), is_("__name__", ">", ref("c/x")))), [], None),
        (query(None, "-__name__"), [], index("__name__↓")),
        (query(is_("__name__", ">", ref("c/x")), "-__name__"), [], index("__name__↓")),
        (query(None, "-__name__"), [index("__name__↓")], None),
        (query(None, "c", "-__name__"), [], index("c __name__↓")),
        (query(eq("a"), "-b"), [AB], index("a b↓ __name__↓")),
        (query(eq("a"), "b"), [AB], None),
        (query(eq("a"), "b"), [index("a↓ b")], None),
        (query(both(eq("s"), is_("c", ">", 1))), [], index("s c __name__")),
        (query(both(eq("a"), eq("b")), "c"), [index("a c"), index("b c")], None),
        (query(both(eq("a"), eq("b")), "c"), [index("a c")], index("a b c __name__")),
        (query(None, "b", "a"), [AB], index("b a __name__")),
        (query(None, "a", "b"), [AB], None),
        (query(TAGS, "c"), [], index("tags* c __name__")),
        (query(TAGS, "c"), [index("tags c")], index("tags* c __name__")),
        (query(TAGS, "c"), [index("tags* c")], None),
        (query(both(eq("t"), is_("a", "!=", 1), is_("b", "<", 1))), [], index("t a b __name__")),
        (query(both(is_("`zip-code`", ">", 1), is_("a", ">", 1))), [], index("a `zip-code` __name__")),
        (query(both(is_("A", ">", 1), is_("`1st`", ">", 1))), [], index("`1st` A __name__")),
        (query(both(is_("`zip-code`", ">", 1), is_("a", ">", 1)), "-v"), [index("v↓ a↓ `zip-code`↓")], None),
        (query(both(is_("`zip-code`", "==", 1), eq("a")), "c"), [], index("a `zip-code` c __name__")),
        (
            query(both(eq("t"), is_("key", ">=", 1), is_("sort", "<=", 1)), "-v"),
            [],
            index("t v↓ key↓ sort↓ __name__↓"),
        ),
        (
            query(both(eq("t"), is_("v", "array-contains", 1), is_("key", "!=", 1), is_("sort", ">=", 1))),
            [],
            index("v* t key sort __name__"),
        ),
        (query(eq("v"), "s"), [index("v s d")], index("v s __name__")),
        (query(either(eq("a"), eq("b"))), [], None),
        (
            query(both(eq("t"), either(is_("a", ">", 1), eq("b")))),
            [],
            [index("t a __name__"), index("b t a __name__")],
        ),
        (query(both(eq("t"), either(is_("a", ">", 1), eq("b")))), [index("t a")], index("b t a __name__")),
        (query(both(eq("t"), either(is_("a", ">", 1), eq("b")))), [index("t a"), index("b t a")], None),
        (query(is_("__name__", "in", [ref("c/x")]), "-d", "__name__"), [], index("d↓ __name__")),
        (query(is_("__name__", "in", [ref("c/x"), ref("c/y")])), [], None),
        (query(eq("s"), "-d"), [], index("s d↓ __name__↓")),
        (query(eq("a"), "b"), [index("a b", group=True)], None),
        (query(both(eq("make"), eq("model")), group=True), [], index("make model __name__", group=True)),
        (query(both(eq("make"), eq("model")), group=True), [index("make model", group=True)], None),
        (query(eq("a"), "b", group=True), [AB], index("a b __name__", group=True)),
        (query(eq("a"), "b", group=True), [index("a b", group=True)], None),
        (query(group=True), [], None),
        (query(None, "__name__", group=True), [], None),
        (query(eq("f"), group=True), [], exemption("f", *AUTOMATIC, "COLLECTION_GROUP ASCENDING")),
        (query(None, "-f", group=True), [], exemption("f", *AUTOMATIC, "COLLECTION_GROUP DESCENDING")),
        (query(TAGS, group=True), [], exemption("tags", *AUTOMATIC, "COLLECTION_GROUP CONTAINS")),
        (query(eq("f"), group=True), [exemption("f", "COLLECTION_GROUP ASCENDING")], None),
        (
            query(eq("f")),
            [exemption("f", "COLLECTION_GROUP ASCENDING")],
            exemption("f", "COLLECTION ASCENDING", "COLLECTION_GROUP ASCENDING"),
        ),
        (query(eq("f")), [exemption("f")], exemption("f", "COLLECTION ASCENDING")),
        (query(None, "-f"), [exemption("f")], exemption("f", "COLLECTION DESCENDING")),
        (query(eq("f.g")), [exemption("f")], exemption("f.g", "COLLECTION ASCENDING")),
        (query(eq("f.g")), [exemption("f"), exemption("f.g", "COLLECTION ASCENDING")], None),
        (query(eq("g")), [exemption("*")], exemption("g", "COLLECTION ASCENDING")),
        (query(eq("g")), [exemption("*"), exemption("g", "COLLECTION ASCENDING")], None),
        pytest.param(
            query(eq("f")),
            [{"collectionGroup": "c", "fieldPath": "f", "ttl": True}],
            None,
            marks=pytest.mark.filterwarnings("ignore:.* has no indexes, which the Firebase CLI requires"),
        ),
        (query(both(eq("f"), eq("a")), "b"), [exemption("f"), index("f a b")], None),
        (query(eq("é"), "c"), [index("x c")], index("`é` c __name__")),
    ],
    ids=str,
)
def test_a_query_is_served_or_asks_for(plan: QueryPlan, have: list[dict[str, Any]], expected: Any) -> None:
    assert missing(plan, *have) == expected


def total(name: str, kind: Any = "sum") -> Aggregation:
    return Aggregation(kind, FieldPath(name))


@pytest.mark.parametrize(
    ("plan", "aggregations", "have", "expected"),
    [
        (query(is_("p", ">", 1)), [total("p")], [], None),
        (query(), [total("d"), total("m", "avg")], [], index("d m __name__")),
        (query(), [total("d")], [], None),
        (query(eq("a")), [total("d")], [], index("a d __name__")),
        (query(eq("s"), "d"), [Aggregation("count")], [], index("s d __name__")),
        (query(eq("s")), [Aggregation("count")], [], None),
        (query(eq("a"), "-b"), [total("d")], [], index("a b↓ d __name__↓")),
        (query(eq("a"), "-b"), [total("d")], [index("a b↓ d↓")], None),
        (query(eq("a"), "-b"), [total("d")], [index("a b↓ d __name__↓")], None),
        (query(eq("a"), "-b"), [total("d")], [index("a b↓ e __name__↓")], index("a b↓ d __name__↓")),
    ],
    ids=str,
)
def test_figures_need_indexes_too(plan: QueryPlan, aggregations: Any, have: Any, expected: Any) -> None:
    assert missing(plan, *have, aggregations=aggregations) == expected


@pytest.mark.parametrize(
    "plan",
    [
        query(both(eq("t"), either(eq("a"), eq("b"))), "-a"),
        query(both(eq("a"), eq("b")), "-__name__"),
        query(TAGS, "-__name__"),
        query(eq("a"), "-__name__"),
        query(both(eq("a"), is_("a", ">", 0))),
    ],
    ids=str,
)
def test_what_is_uncertain_passes(plan: QueryPlan) -> None:
    assert missing(plan) is None


def vectors(fields: str = "", *, field: str = "v", dimension: Any = 3, group: bool = False) -> dict[str, Any]:
    """As `index`, with vectors last."""
    definition = index(fields, group=group)
    definition["fields"].append({"fieldPath": field, "vectorConfig": {"dimension": dimension, "flat": {}}})
    return definition


def near(where: Any = None, *orders: str, components: int = 3, **options: Any) -> QueryPlan:
    nearest = Nearest(FieldPath("v"), Vector([1.0] * components), 5, "cosine")
    return query(where, *orders, nearest=nearest, **options)


def test_vector_indexes_serve_no_other_query() -> None:
    assert missing(query(eq("a"), "b"), vectors("a b")) == index("a b __name__")


@pytest.mark.parametrize(
    ("plan", "asked", "others"),
    [
        (near(), vectors(), [vectors("a"), vectors(field="w"), vectors(dimension=2), index("v a")]),
        (near(components=1), vectors(dimension=1), [vectors(dimension=10)]),
        (near(group=True), vectors(group=True), [vectors()]),
        (near(eq("a")), vectors("a"), [vectors(), vectors("a b"), vectors("a", group=True), index("a v")]),
        (near(both(eq("b"), eq("a"))), vectors("a b"), [vectors("a")]),
        (near(is_("a", "in", [1, 2])), vectors("a"), [vectors()]),
        (near(TAGS), vectors("tags*"), [vectors("tags"), vectors()]),
        (near(is_("c", ">", 1)), vectors("c"), [vectors(), vectors("c d")]),
        (near(both(eq("a"), is_("c", ">", 1))), vectors("a c"), [vectors("c a"), vectors("c")]),
        (near(None, "-b"), vectors("b↓"), [vectors(), vectors("b c")]),
        (near(either(eq("a"), eq("b"))), vectors("b"), []),
        (near(is_("__name__", "==", ref("c/x"))), vectors(), [vectors("a")]),
    ],
    ids=str,
)
def test_searches_by_vector_need_an_index_that_ends_with_the_vectors(plan: Any, asked: Any, others: list[Any]) -> None:
    served = [vectors("a")] if asked == vectors("b") else []
    assert missing(plan, *others, *served) == asked
    assert missing(plan, *others, *served, asked) is None


def test_other_spellings_of_vector_indexes_are_taken() -> None:
    # The Firebase CLI writes the name before the vectors, and other tools the dimension as text.
    assert missing(near(eq("a")), vectors("a __name__", dimension="3")) is None
    # In which direction the fields before the vectors run plays no part.
    assert missing(near(is_("c", ">", 1)), vectors("c↓")) is None
    # Whether Firestore merges them is uncertain.
    assert missing(near(both(eq("a"), eq("b"))), vectors("a"), vectors("b")) is None


@pytest.mark.parametrize("config", [{}, {"dimension": "many"}, {"dimension": None}, None])
def test_vector_indexes_that_are_malformed(config: Any) -> None:
    definition = index("a")
    definition["fields"].append({"fieldPath": "v", "vectorConfig": config})
    with pytest.raises(ValueError, match="Index 0 of the declared indexes"):
        MemoryBackend(strict_indexes=declared(definition))


def test_the_message_names_the_definition() -> None:
    with pytest.raises(MissingIndexError) as caught:
        list(MemoryBackend(strict_indexes=None).run(near()))
    definition = json.dumps(vectors())
    assert (
        f"needs an index that does not exist: one of vectors. Add to indexes in firestore.indexes.json: {definition}"
        in str(caught.value)
    )


def test_listeners_obey_the_same_rules() -> None:
    backend = MemoryBackend(strict_indexes=None)
    errors: list[BaseException] = []
    backend.listen(query(eq("a"), "b"), lambda snapshot: None, errors.append)
    backend.drain()
    assert isinstance(errors[0], MissingIndexError)


async def test_the_async_twin_takes_the_same() -> None:
    backend = AsyncMemoryBackend(strict_indexes=None)
    with pytest.raises(MissingIndexError, match="composite"):
        [each async for each in backend.run(query(eq("a"), "b"))]


def test_without_strict_indexes_every_query_is_answered(backend: MemoryBackend) -> None:
    assert list(backend.run(query(eq("a"), "b"))) == []


def test_definitions_are_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "firestore.indexes.json"
    file.write_text(json.dumps({"indexes": [AB]}))
    assert list(MemoryBackend(strict_indexes=file).run(query(eq("a"), "b"))) == []
    file.write_text("[]")
    with pytest.raises(ValueError, match="not hold a JSON object"):
        MemoryBackend(strict_indexes=str(file))


@pytest.mark.parametrize(
    ("definitions", "message"),
    [
        ({}, "no list named 'indexes'"),
        ({"indexes": {}}, "no list named 'indexes'"),
        ({"indexes": [], "fieldOverrides": 1}, "no list named 'fieldOverrides'"),
        ({"indexes": [{}]}, "Index 0"),
        ({"indexes": [AB, {**AB, "queryScope": "X"}]}, "Index 1"),
        ({"indexes": [{**AB, "fields": []}]}, "Index 0"),
        ({"indexes": [{**AB, "fields": [{"fieldPath": "a", "order": "UP"}]}]}, "Index 0"),
        ({"indexes": [5]}, "Index 0 of the declared indexes is not of its form: it is an object, not 5"),
        ({"indexes": [{**AB, "fields": [{"fieldPath": "a..b", "order": "ASCENDING"}]}]}, "Index 0"),
        ({"indexes": [], "fieldOverrides": [{"collectionGroup": "c", "indexes": []}]}, "Field override 0"),
    ],
    ids=str,
)
def test_definitions_of_another_form_are_refused(definitions: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MemoryBackend(strict_indexes=definitions)


def test_what_is_surely_wrong_is_warned_of(tmp_path: Path) -> None:
    file = tmp_path / "firestore.indexes.json"
    file.write_text(f"// exported\n{json.dumps({'indexes': [AB, index('a b __name__')]})}")
    with pytest.warns(UserWarning, match=f"{file}: An index is declared twice: ") as caught:
        MemoryBackend(strict_indexes=file)
    assert __file__ == caught[0].filename


@pytest.mark.parametrize("definitions", [True, 1])
def test_what_would_be_a_file_descriptor_is_refused(definitions: Any) -> None:
    with pytest.raises(TypeError, match=f"strict_indexes= takes the path of a .*, its content, .* not {definitions}"):
        MemoryBackend(strict_indexes=definitions)
