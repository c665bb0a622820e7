"""Drift: which stored documents their models don't read, and what stands in which field."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Iterator
from datetime import datetime, timezone
from importlib import import_module
from typing import Any, Literal

import pytest
from cendry import Cendry, DecodeError, Field, GeoPoint, Map, Model, Ref, TypeRegistry, Vector, field, upgrade
from cendry.backend import DocumentResult
from cendry.errors import JobStoppedError
from cendry.jobs import Progress, Stop
from cendry.plan import AggregationPlan, QueryPlan, Set
from cendry_firestore import FirestoreBackend
from cendry_firestore.tools import DriftReport, FieldReport, Misfit, drift, ranges
from cendry_memory import MemoryBackend
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

NOON = datetime(2026, 11, 29, 12, tzinfo=timezone.utc)


class Mayor(Map):
    name: Field[str]
    since: Field[int | None] = field(default=None)


class City(Model, collection="cities"):
    name: Field[str]
    mayor: Field[Mayor | None] = field(default=None)
    tags: Field[list[str]] = field(default_factory=list)
    scores: Field[dict[str, int]] = field(default_factory=dict)
    size: Field[int | str] = field(default=0)
    kind: Field[Literal["a", "b"]] = field(default="a", alias="the kind")
    any: Field[Any] = field(default=None)


class Exact(Model, collection="cities", extra="forbid"):
    name: Field[str]


class Part(Model, collection="parts", parent=City):
    n: Field[int]


class Animal(Model, collection="animals", tag_field="type"):
    name: Field[str]


class Cat(Animal, tag="cat"):
    lives: Field[int]


class Dog(Animal, tag="dog"):
    lives: Field[str]
    pair: Field[tuple[int, str] | None] = field(default=None)


class Versioned(Model, collection="versioned", version=3):
    n: Field[int]


@upgrade(Versioned, to=2)
def from_text(data: dict[str, Any]) -> dict[str, Any]:
    return {**data, "n": int(data["text"])}


@upgrade(Versioned, to=3)
def add_one(data: dict[str, Any]) -> dict[str, Any]:
    return {**data, "n": data["n"] + 1}


def database(**documents: dict[str, Any]) -> MemoryBackend:
    memory = MemoryBackend()
    memory.commit([Set(path.replace("_", "/"), data) for path, data in documents.items()])
    return memory


def fields_of(report: DriftReport) -> dict[str, FieldReport]:
    return {one.field: one for one in report.models[0].fields}


def test_what_stands_in_which_field() -> None:
    memory = database(
        cities_a={
            "name": "Rome",
            "mayor": {"name": "x"},
            "tags": ["x", 1],
            "scores": {"a": 1, "b": 2},
            "old": [{"a": 1}],
        },
        cities_b={"name": 3, "mayor": {"nam": "x"}, "size": b"x", "the kind": "c"},
        cities_c={"name": "z", "scores": {"q": 1.5}, "mayor": None, "any": {"k": {"deep": 1}}},
    )
    report = drift(memory, City)
    [found] = report.models
    assert not report.ok
    assert ("City", "cities", 3, 0, {}, False) == (
        found.model,
        found.collection,
        found.documents,
        found.fits,
        found.versions,
        found.is_cut,
    )
    assert {
        Misfit("mayor.name", "str", "nothing", 1, ("cities/b",)),
        Misfit("name", "str", "int", 1, ("cities/b",)),
        Misfit("scores.q", "int", "float", 1, ("cities/c",)),
        Misfit("size", "int or str", "bytes", 1, ("cities/b",)),
        Misfit("tags[]", "str", "int", 1, ("cities/a",)),
        Misfit("kind", "one of 'a', 'b'", "str", 1, ("cities/b",)),
    } == set(found.misfits)
    fields = fields_of(report)
    assert [
        "name",
        "mayor",
        "mayor.name",
        "mayor.since",
        "mayor.nam",
        "tags",
        "tags[]",
        "scores",
        "scores.*",
        "size",
        "`the kind`",
        "any",
        "any.k",
        "any.k.deep",
        "old",
        "old[]",
        "old[].a",
    ] == list(fields)
    samples = {"str": "cities/a", "int": "cities/b"}
    assert FieldReport("name", "str", 3, 0, {"str": 2, "int": 1}, samples) == fields["name"]
    assert FieldReport("mayor.since", "int or None", 0, 2, {}, {}) == fields["mayor.since"]
    assert (
        FieldReport("scores.*", "int", 3, 0, {"int": 2, "float": 1}, {"int": "cities/a", "float": "cities/c"})
        == (fields["scores.*"])
    )
    assert FieldReport("old", None, 1, 2, {"array": 1}, {"array": "cities/a"}) == fields["old"]
    assert [None] * 3 == [fields[name].declared for name in ("mayor.nam", "any.k", "old[].a")]
    assert report.to_json()["models"][0]["misfits"][1] == {
        "field": "mayor.name",
        "expected": "str",
        "found": "nothing",
        "count": 1,
        "samples": ["cities/b"],
    }


def test_unknown_fields_are_misfits_only_of_models_that_forbid_them() -> None:
    memory = database(cities_a={"name": "x", "old": 1}, cities_b={"name": "y"})
    report = drift(Cendry(backend=memory), [City, Exact, City])
    assert [("City", 2, 2), ("Exact", 2, 1)] == [(one.model, one.documents, one.fits) for one in report.models]
    [misfit] = report.models[1].misfits
    assert ("old", "a field that the model doesn't have", ("cities/a",)) == (misfit.field, misfit.found, misfit.samples)


def test_documents_below_others_and_samples() -> None:
    memory = database(cities_a_parts_1={"n": 1}, cities_a_parts_2={"n": "x"}, cities_b_parts_1={"n": "y"})
    seen: list[Progress] = []
    report = drift(memory, Part, on_progress=seen.append)
    assert (3, 1) == (report.models[0].documents, report.models[0].fits)
    assert [Misfit("n", "int", "str", 2, ("cities/a/parts/2", "cities/b/parts/1"))] == list(report.models[0].misfits)
    assert ("drift", 3, 3) == (seen[-1].phase, seen[-1].done, seen[-1].total)
    assert drift(memory, Part, sample=1).ok
    many = MemoryBackend()
    many.commit([Set(f"cities/{n}", {"name": 1}) for n in range(5)])
    assert [("cities/0", "cities/1", "cities/2")] == [one.samples for one in drift(many, City).models[0].misfits]


def test_a_tagged_base_reads_all() -> None:
    memory = database(
        animals_a={"type": "cat", "name": "x", "lives": 9},
        animals_b={"type": "dog", "name": "x", "lives": "1", "pair": [1, "x"]},
        animals_c={"type": "cow", "name": "x"},
        animals_d={"type": "cat", "name": "x", "lives": "9"},
    )
    several: list[type[Model]] = [Cat, Animal, Dog]
    for models in (Animal, Cat, several):
        report = drift(memory, models)
        [found] = report.models
        assert ("Animal", 4, 2) == (found.model, found.documents, found.fits)
        assert {"type", "lives"} == {one.field for one in found.misfits}
        assert "int | str" == fields_of(report)["lives"].declared
        assert ["pair[]"] == [name for name in fields_of(report) if "[" in name]


def test_older_documents_are_upgraded() -> None:
    memory = database(
        versioned_a={"text": "5"},
        versioned_b={"text": "x", "_cendry_version": 1},
        versioned_c={"n": "y", "_cendry_version": 2},
        versioned_d={"n": "y", "_cendry_version": 3},
        versioned_e={"n": 1, "_cendry_version": 4},
        versioned_f={"n": 1, "_cendry_version": "z"},
        versioned_g={"n": 1, "_cendry_version": 3},
    )
    [found] = drift(memory, Versioned).models
    assert (7, 2, {1: 2, 2: 1, 3: 2, 4: 1}) == (found.documents, found.fits, found.versions)
    assert {f"versioned/{name}" for name in "bcdef"} == {path for one in found.misfits for path in one.samples}
    assert "_cendry_version" not in {one.field for one in found.fields}
    assert [("n", "int", "str")] == [
        (one.field, one.expected, one.found) for one in found.misfits if one.samples == ("versioned/d",)
    ]


def test_values_in_the_errors_of_an_upgrade_are_not_shown() -> None:
    memory = database(versioned_a={"text": "s3cret"}, versioned_b={"text": "other\nline"})
    [found] = drift(memory, Versioned).models
    what = ("_cendry_version", "an upgrade to version 2", "from_text() raised ValueError")
    assert (Misfit(*what, 2, ("versioned/a", "versioned/b")),) == found.misfits


def test_newer_documents_of_a_model_that_keeps_what_it_does_not_know() -> None:
    class Kept(Model, collection="versioned", version=2, oldest=2, extra="keep"):
        n: Field[int]

    memory = database(versioned_a={"n": 1, "_cendry_version": 3}, versioned_b={"n": "x", "_cendry_version": 3})
    [found] = drift(memory, Kept).models
    assert (1, {3: 2}) == (found.fits, found.versions)
    assert (Misfit("n", "int", "str", 1, ("versioned/b",)),) == found.misfits


def test_too_many_misfits_and_places(monkeypatch: pytest.MonkeyPatch) -> None:
    module = import_module("cendry_firestore.tools.drift")
    monkeypatch.setattr("cendry._scan.misfits.MAX_MISFITS", 2)
    monkeypatch.setattr(module, "MAX_PLACES", 3)
    memory = database(cities_a={"name": "x", "scores": dict.fromkeys("abcd", "x")})
    [found] = drift(memory, City).models
    assert Misfit("", "the model", "further misfits", 2, ()) == found.misfits[-1]
    assert (3, True) == (len(found.misfits), found.is_cut)


def test_the_types_of_a_context() -> None:
    registry = TypeRegistry()
    registry.register(int, serialize=str, deserialize=int)
    memory = database(cities_a_parts_1={"n": "5"})
    assert drift(Cendry(backend=memory, type_registry=registry), Part).ok
    assert not drift(memory, Part).ok


@pytest.mark.parametrize(
    ("models", "options", "error"),
    [
        ("cities", {}, r"^drift\(\) takes models, not 'cities'; infer\(\) takes the ids of collections\.$"),
        (["cities"], {}, r"^drift\(\) takes models, not 'cities'"),
        (Mayor, {}, r"^drift\(\) takes a model with a collection"),
        ([3], {}, r"^drift\(\) takes a model with a collection"),
        (3, {}, r"^drift\(\) takes a model with a collection"),
        ([], {}, r"^drift\(\) takes models, and there are none\.$"),
        (City, {"sample": 0}, r"^sample= takes a number of documents from 1, not 0\.$"),
        (City, {"sample": "all"}, r"^sample= takes a number of documents, or None for all, not 'all'\.$"),
    ],
)
def test_wrong_arguments(models: Any, options: Any, error: str) -> None:
    with pytest.raises((TypeError, ValueError), match=error):
        drift(MemoryBackend(), models, **options)


def test_a_stop() -> None:
    stop = Stop()
    stop.request()
    with pytest.raises(JobStoppedError, match="The drift was stopped after 0 documents"):
        drift(database(cities_a={"name": "x"}), City, stop=stop)


class Endless:
    """A database with many documents, of which none is kept."""

    name = "endless"

    def __init__(self, count: int) -> None:
        self.count = count

    def aggregate(self, plan: AggregationPlan) -> list[int]:
        return [self.count]

    def commit(self, writes: Any) -> None:
        raise AssertionError("nothing is written")

    def run(self, plan: QueryPlan) -> Iterator[DocumentResult]:
        start = plan.start
        first = 0 if start is None else int(start.values[0].id) + 1
        for number in range(first, min(first + (plan.limit or 0), self.count)):
            data = {"name": "x", "scores": {f"k{number}": "x" if number % 4 == 0 else 1}, f"u{number}": {"a": [1]}}
            yield DocumentResult(f"cities/{number:07d}", data, NOON, NOON, NOON)


def peak_of(count: int) -> int:
    gc.collect()
    tracemalloc.start()
    try:
        [found] = drift(Endless(count), City).models  # type: ignore[arg-type]
        assert count == found.documents
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_is_flat(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten times as many documents, with keys and misfits that are always new."""
    module = import_module("cendry_firestore.tools.drift")
    monkeypatch.setattr(module, "MAX_PLACES", 100)
    monkeypatch.setattr("cendry._scan.misfits.MAX_MISFITS", 20)
    monkeypatch.setattr(ranges, "PAGE", 50)
    peak_of(100)  # What is made once.
    assert peak_of(2_000) < 1.2 * peak_of(200)


odd = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 2**63 - 1)
    | st.floats(allow_nan=True)
    | st.sampled_from(["a", "b", "", "x"])
    | st.binary(max_size=2)
    | st.just(NOON)
    | st.just(GeoPoint(1, 2))
    | st.just(Vector([1]))
    | st.just(Ref.from_path("users/a")),
    lambda inner: (
        st.lists(inner.filter(lambda each: not isinstance(each, (list, Vector))), max_size=2)
        | st.dictionaries(st.sampled_from(["name", "since", "a"]), inner, max_size=2)
    ),
    max_leaves=5,
)
proper = {
    "name": st.just("x"),
    "mayor": st.none() | st.just({"name": "x"}) | st.just({"name": "x", "since": 1}),
    "tags": st.just(["x"]),
    "scores": st.just({"a": 1}),
    "size": st.just(1) | st.just("x"),
    "the kind": st.sampled_from("ab"),
    "any": odd,
}
documents = st.builds(
    lambda fields, kept, name, value: {**{key: fields[key] for key in kept}, **({name: value} if name else {})},
    st.fixed_dictionaries(proper),
    st.lists(st.sampled_from(sorted(proper)), unique=True).map(lambda names: {*names, "name"}),
    st.sampled_from(["", *proper, "unknown"]),
    odd,
)


@pytest.mark.parametrize("kind", ["memory", "emulator"])
def test_what_fits_is_what_can_be_read(kind: str, request: pytest.FixtureRequest) -> None:
    shared = request.getfixturevalue("backend") if kind == "emulator" else None

    @settings(max_examples=8 if shared else 60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
    @given(st.lists(documents, min_size=1, max_size=6))
    @example([{"name": float("nan")}, {"name": "x", "scores": {"a": 1.0}}, {"name": "x", "mayor": [{"name": "x"}]}])
    def check(stored: list[dict[str, Any]]) -> None:
        database: FirestoreBackend | MemoryBackend = MemoryBackend() if shared is None else shared
        database.commit([Set(f"cities/{number}", data) for number, data in enumerate(stored)])
        [found] = drift(database, City, sample=len(stored)).models
        ctx = Cendry(backend=database)
        broken = set[str]()
        for number in range(len(stored)):
            try:
                ctx.get(City, str(number))
            except DecodeError:
                broken.add(f"cities/{number}")
        assert len(stored) - len(broken) == found.fits
        named = {path for one in found.misfits for path in one.samples}
        assert named <= broken
        # Each misfit names three at most.
        assert broken == named or any(one.count > 3 for one in found.misfits)

    check()
