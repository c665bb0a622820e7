"""Random entities, through both databases and back: they are the same."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from cendry_datastore.migrate import Place, Plan, Source, Target
from cendry_datastore.migrate.backward import BackwardMirror
from cendry_datastore.migrate.digest import Digest
from cendry_datastore.migrate.mirror import Mirrored
from cendry_datastore.migrate.translate import Translator
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from migrate.sides import Document, Sides, Value

_TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
_ODD = st.sampled_from(["a.b", "`", "a/b", "*", "..", "é", "\U0001f600", "\uffff", " ", "1", "_a", "a__", "__a", "key"])
_PROPERTIES = _ODD | st.text(st.characters(codec="utf-8"), min_size=1, max_size=6).filter(
    lambda name: not (name.startswith("__") and name.endswith("__"))
)
_NAMES = _PROPERTIES | st.sampled_from([".", "a~/b", "7"])
_IDS = st.integers(1, 2**63 - 1) | st.integers(-(2**63), -1)
_KINDS = st.sampled_from(["K", "Other", "a.b", "1", "é"])
_PATHS = st.lists(st.tuples(_KINDS, _IDS | _NAMES), min_size=1, max_size=3)


_SCALARS: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.just({"null_value": 0}),
    st.booleans().map(lambda one: {"boolean_value": one}),
    st.integers(-(2**63), 2**63 - 1).map(lambda one: {"integer_value": one}),
    st.floats().map(lambda one: {"double_value": one}),
    _TEXT.map(lambda one: {"string_value": one}),
    st.binary(max_size=8).map(lambda one: {"blob_value": one}),
    st.tuples(st.integers(-62_135_596_800, 253_402_300_799), st.integers(0, 999_999)).map(
        lambda one: {"timestamp_value": {"seconds": one[0], "nanos": one[1] * 1000}}
    ),
    st.tuples(st.floats(-90, 90), st.floats(-180, 180)).map(
        lambda one: {"geo_point_value": {"latitude": one[0], "longitude": one[1]}}
    ),
    _PATHS.map(lambda one: {"key": one}),
)


def _maps(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    properties = st.dictionaries(_PROPERTIES, inner, max_size=3)
    return st.tuples(properties, st.none() | _PATHS).map(lambda one: {"map": one})


_VALUES: st.SearchStrategy[dict[str, Any]] = st.recursive(
    _SCALARS,
    lambda inner: _maps(inner | st.lists(_SCALARS | _maps(inner), max_size=3).map(lambda one: {"array": one})),
    max_leaves=8,
)
_ARRAYS = st.lists(_VALUES, max_size=3).map(lambda one: {"array": one})
_ENTITIES = st.tuples(_PATHS, st.dictionaries(_PROPERTIES, _VALUES | _ARRAYS, max_size=5))


def key_of(sides: Sides, path: list[tuple[str, Any]]) -> Any:
    return sides.key(*(part for pair in path for part in pair))


def fill(sides: Sides, target: Any, found: dict[str, Any]) -> None:
    [(kind, value)] = found.items()
    match kind:
        case "key":
            target.key_value.CopyFrom(key_of(sides, value))
        case "map":
            target.entity_value.SetInParent()
            properties, path = value
            for name, inner in properties.items():
                fill(sides, target.entity_value.properties[name], inner)
            if path is not None:
                target.entity_value.key.CopyFrom(key_of(sides, path))
        case "array":
            target.array_value.SetInParent()
            for inner in value:
                fill(sides, target.array_value.values.add(), inner)
        case _:
            target.CopyFrom(Value(**found))
    if kind in ("string_value", "blob_value"):
        target.exclude_from_indexes = True


@example([([("K", "/\0")], {})])
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(_ENTITIES, min_size=1, max_size=4, unique_by=lambda one: repr(one[0])))
def test_random_entities_arrive_as_they_are(sides: Sides, drawn: list[Any]) -> None:
    entities: list[Any] = []
    for path, properties in drawn:
        entity = sides.entity(*(part for pair in path for part in pair))
        for name, found in properties.items():
            fill(sides, entity.properties[name], found)
        entities.append(entity)
    sides.put(*entities)
    translator = Translator(sides.home, sides.target)
    documents: list[Any] = []
    before = sides.get(*(entity.key for entity in entities))
    for stored in before:
        document = Document()
        translator.document(stored, document)
        documents.append(document)
    sides.commit(documents)
    read = sides.read([document.name for document in documents])
    assert [one.SerializeToString(deterministic=True) for one in documents] == [
        one.SerializeToString(deterministic=True) for one in read
    ]
    source, target = Digest(), Digest()
    for one, other in zip(documents, read, strict=True):
        source.add(one)
        target.add(other)
    assert frozenset() == source.differing(target)
    # Back again, bit by bit: with their keys, and what is excluded from indexes.
    place = Place(sides.project)
    plan = Plan("id", place, place, datetime.now(timezone.utc), "raw", (), ())
    mirror = BackwardMirror(plan, Source(sides.source_client), Target(sides.target_client))
    paths = [translator.path(document.name) for document in documents]
    assert Mirrored(tuple(paths)) == mirror.mirror_paths(paths)
    after = sides.get(*(entity.key for entity in entities))
    # Of NaN there are many, and one in Firestore.
    assert [shown(one) for one in before] == [shown(one) for one in after]


def shown(entity: Any) -> dict[str, str]:
    return {name: str(value) for name, value in entity.properties.items()}
