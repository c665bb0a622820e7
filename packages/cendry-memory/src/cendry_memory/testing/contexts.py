"""Documents through contexts: instances in, instances out."""

from __future__ import annotations

import copy
import gc
import pickle
import types
import weakref
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, cast

import pytest
from cendry import (
    DELETE_FIELD,
    SERVER_TIMESTAMP,
    ArrayUnion,
    CendryError,
    DecodeError,
    DocumentAlreadyExistsError,
    DocumentNotFoundError,
    Field,
    FieldPath,
    GeoPoint,
    Increment,
    InvalidDocumentIdError,
    InvalidEtagError,
    InvalidValueError,
    Map,
    Maximum,
    Model,
    Ref,
    StaleDocumentError,
    TypeRegistry,
    ValidationError,
    get_metadata,
)
from cendry.plan import Set

from .documents import Area, City, Kept, Mayor, Spot, Stamped, Status, Visit, Visitor
from .driver import Database
from .features import Feature, needs
from .suite import Suite

NOW = datetime(2026, 5, 1, 12, 30, 15, 123456, tzinfo=timezone.utc)
LATER = NOW + timedelta(hours=1)
MAX_DEPTH = 20


class Measure(Model, collection="measures"):
    """A document of floats."""

    x: Field[float]
    xs: Field[list[float]]


def whole_city() -> City:
    """A city that uses all fields."""
    return City(
        id="SF",
        name="San Francisco",
        state="CA",
        population=870_000,
        area=121.5,
        regions=["west_coast"],
        tags={Status.OPEN},
        status=Status.CLOSED,
        mayor=Mayor(name="Ada", since=2024),
        attributes={"k.x": [1, {"y": None}], "a b": True},
        budget=Decimal("1.50"),
        center=GeoPoint(37.8, -122.4),
        twin=Ref(City, "OSA"),
    )


def with_field(name: str, base: type[Any], annotation: Any, **keywords: Any) -> Any:
    """A class with one field, `x`, of a type that is made at run time."""
    declared: dict[str, Any] = {"x": cast("Any", Field)[annotation]}
    return types.new_class(name, (base,), keywords, lambda body: body.update(__annotations__=declared))


class ContextConformance(Suite):
    """Reads and writes of instances."""

    # --- save, get, find ---

    def test_what_is_saved_is_read_back_equal(self, db: Database, ctx: Any) -> None:
        city = whole_city()
        assert "SF" == ctx.save(city)
        assert city == ctx.get(City, "SF")
        data = db.data("cities/SF")
        assert data is not None
        assert ("San Francisco", "1.50", "CLOSED") == (data["displayName"], data["budget"], data["status"])
        assert {"mayor name": "Ada", "since": 2024} == data["mayor"]

    def test_save_replaces_the_whole_document(self, db: Database, ctx: Any) -> None:
        db.commit(Set("cities/SF", {"displayName": "x", "unknown": 1}))
        ctx.save(City(id="SF", name="y"))
        assert "unknown" not in (db.data("cities/SF") or {})

    def test_automatic_ids(self, ctx: Any) -> None:
        cities = [City(name=str(number)) for number in range(5)]
        ids = [ctx.save(city) for city in cities]
        assert [city.id for city in cities] == ids
        assert 5 == len(set(ids))
        assert [city.name for city in cities] == [ctx.get(City, each).name for each in ids]

    def test_absent_documents(self, ctx: Any) -> None:
        with pytest.raises(DocumentNotFoundError) as caught:
            ctx.get(City, "SF")
        assert ("cities", "SF") == (caught.value.collection, caught.value.document_id)
        assert ctx.find(City, "SF") is None
        assert ctx.exists(City, "SF") is False
        ctx.save(City(id="SF", name="x"))
        assert ctx.exists(City, "SF") is True

    def test_ints_in_float_fields_are_never_rounded(self, db: Database, ctx: Any) -> None:
        db.commit(
            Set("measures/a", {"x": 2**53, "xs": [1, -(2**62)]}),
            Set("measures/b", {"x": 2**53 + 1, "xs": []}),
            Set("measures/c", {"x": 1, "xs": [1.0, -(2**62) - 1]}),
        )
        assert Measure(id="a", x=2.0**53, xs=[1.0, -(2.0**62)]) == ctx.get(Measure, "a")
        for document_id, path in (("b", "x"), ("c", "xs[1]")):
            with pytest.raises(DecodeError, match="a float would round it") as caught:
                ctx.get(Measure, document_id)
            assert path == caught.value.field
        with pytest.raises(InvalidValueError, match=r"Measure.x: expected float, found int 9007199254740993"):
            ctx.save(Measure(id="d", x=2**53 + 1, xs=[]))
        with pytest.raises(InvalidValueError, match="a float would round it"):
            ctx.update(Measure, "a", {Measure.x: 2**53 + 1})
        with pytest.raises(InvalidValueError, match="a float would round it"):
            ctx.select(Measure, Measure.x == 2**53 + 1).to_list()
        ctx.save(Measure(id="d", x=2**53, xs=[2**62]))
        assert {"x": 2.0**53, "xs": [2.0**62]} == db.data("measures/d")
        assert float is type((db.data("measures/d") or {})["x"])

    def test_get_many_keeps_the_order_and_names_all_that_are_missing(self, ctx: Any) -> None:
        ctx.save_many([City(id="a", name="A"), City(id="b", name="B")])
        assert ["B", "A", "B"] == [city.name for city in ctx.get_many(City, ["b", "a", "b"])]
        assert [] == ctx.get_many(City, [])
        with pytest.raises(DocumentNotFoundError) as caught:
            ctx.get_many(City, ["a", "x", "b", "y"])
        assert ("cities/x", "cities/y") == caught.value.candidates

    def test_a_document_that_lacks_fields_reads_as_their_defaults(self, db: Database, ctx: Any) -> None:
        db.commit(Set("cities/SF", {"displayName": "x", "mayor": {"mayor name": "y"}}))
        assert City(id="SF", name="x", mayor=Mayor(name="y")) == ctx.get(City, "SF")

    def test_a_document_that_does_not_fit_is_named(self, db: Database, ctx: Any) -> None:
        db.commit(Set("cities/SF", {"displayName": 5}), Set("cities/LA", {}))
        with pytest.raises(DecodeError) as caught:
            ctx.get(City, "SF")
        assert ("cities/SF", "name", "str") == (caught.value.path, caught.value.field, caught.value.expected)
        with pytest.raises(DecodeError, match="cities/LA"):
            ctx.find(City, "LA")

    def test_every_write_of_an_instance_names_all_its_problems(self, db: Database, ctx: Any) -> None:
        stored = whole_city()
        ctx.save(stored)
        wrong: Any = City(id="SF", name=cast("Any", 5), mayor=Mayor(name=cast("Any", 6)))

        def in_batch() -> None:
            with ctx.batch() as batch:
                batch.save(wrong)

        writes: list[Callable[[], object]] = [
            lambda: ctx.save(wrong),
            lambda: ctx.create(wrong),
            lambda: ctx.save_many([City(id="LA", name="x"), wrong]),
            in_batch,
        ]
        for write in writes:
            with pytest.raises(ValidationError, match=r"^City\.name: .*int 5; mayor\.name: ") as caught:
                write()
            assert ["name", "mayor.name"] == [problem.path for problem in caught.value.problems]
        updates: list[Callable[[], object]] = [
            lambda: ctx.update(wrong, fields=["name"]),
            lambda: ctx.update(stored, {"name": 5}),
        ]
        for update in updates:
            with pytest.raises(ValidationError, match=r"^City\.name: expected str, found int 5\.$"):
                update()
        with pytest.raises(InvalidValueError, match=r"^City\.name: expected str, found int 5\.$") as other:
            ctx.update(City, "SF", {"name": 5})
        assert not isinstance(other.value, ValidationError)
        assert whole_city() == ctx.get(City, "SF")
        assert db.data("cities/LA") is None

    @needs(Feature.TRANSFORMS)
    def test_a_wrong_value_beside_a_transform_is_named(self, ctx: Any) -> None:
        wrong = City(id="SF", name=cast("Any", 5), population=cast("Any", Increment(1)))
        with pytest.raises(ValidationError, match=r"^City\.name: expected str, found int 5\.$"):
            ctx.save(wrong)

    @needs(Feature.QUERIES)
    @pytest.mark.parametrize("size", [0, 9])
    def test_a_hook_that_refuses_a_document_runs_once(self, db: Database, ctx: Any, size: int) -> None:
        calls: list[str] = []

        class Bounds(Map):
            low: Field[float]
            high: Field[float]

            def __post_init__(self) -> None:
                calls.append("bounds")
                if self.low > self.high:
                    raise ValueError("low is over high")

        class Range(Model, collection="ranges"):
            bounds: Field[Bounds]
            size: Field[int]

            def __post_init__(self) -> None:
                calls.append("range")
                raise ValueError("it is too large")

        db.commit(Set("ranges/a", {"bounds": {"low": 1.5 if size else 2.5, "high": 2.0}, "size": size}))
        reads: list[Callable[[], object]] = [
            lambda: ctx.get(Range, "a"),
            lambda: ctx.find(Range, "a"),
            lambda: ctx.get_many(Range, ["a"]),
            lambda: ctx.select(Range).to_list(),
        ]
        for read in reads:
            with pytest.raises(DecodeError, match=r"\(ValueError: (low is over high|it is too large)\)") as caught:
                read()
            assert isinstance(caught.value.__cause__, ValueError)
            assert (["bounds", "range"] if size else ["bounds"]) == calls
            calls.clear()

    @pytest.mark.parametrize("kind", ["dicts", "lists of dicts", "lists of Maps", "unions"])
    def test_types_nested_as_deep_as_firestore_allows(self, ctx: Any, kind: str) -> None:
        annotation: Any = int
        value: Any = 5
        for level in range(MAX_DEPTH):
            if kind.startswith("lists") and level % 2:
                annotation, value = types.GenericAlias(list, annotation), [value]
            elif kind.endswith("Maps"):
                annotation = with_field("Part", Map, annotation)
                value = annotation(x=value)
            else:
                inner: Any = annotation | None if kind == "unions" else annotation
                annotation, value = types.GenericAlias(dict, (str, inner)), {"x": value}
        deep = with_field("Deep", Model, annotation, collection="deep")
        ctx.save(deep(id="a", x=value))
        assert value == ctx.get(deep, "a").x

    def test_a_registry_that_nobody_holds_is_forgotten(self, db: Database) -> None:
        def use() -> weakref.ref[TypeRegistry]:
            registry = TypeRegistry()
            registry.register(Decimal, serialize=str, deserialize=Decimal)
            ctx = db.context(type_registry=registry)
            ctx.save(whole_city())
            assert whole_city() == ctx.get(City, "SF")
            ctx.update(City, "SF", {City.budget: Decimal(5)})
            return weakref.ref(registry)

        for registry in (use(), use()):
            gc.collect()
            assert registry() is None

    @pytest.mark.parametrize("document_id", ["", "a/b", ".", "..", "__x__", "\ud800", "a" * 1501, "a/b/c"])
    def test_ids_never_reach_another_collection(self, ctx: Any, document_id: str) -> None:
        with pytest.raises(InvalidDocumentIdError):
            ctx.save(City(id=document_id, name="x"))
        with pytest.raises(InvalidDocumentIdError):
            ctx.find(City, document_id)

    def test_references(self, ctx: Any) -> None:
        ctx.save(City(id="SF", name="x", twin=Ref(City, "OSA")))
        ctx.save(City(id="OSA", name="Osaka"))
        twin = ctx.get(City, "SF").twin
        assert Ref(City, "OSA") == twin
        assert "Osaka" == ctx.get(twin).name

    # --- create ---

    def test_create_writes_new_documents_only(self, ctx: Any) -> None:
        assert "SF" == ctx.create(City(id="SF", name="x"))
        with pytest.raises(DocumentAlreadyExistsError) as caught:
            ctx.create(City(id="SF", name="y"))
        assert ("cities", "SF") == (caught.value.collection, caught.value.document_id)
        assert "x" == ctx.get(City, "SF").name

    # --- update ---

    def test_update_touches_only_what_it_names(self, db: Database, ctx: Any) -> None:
        db.commit(Set("cities/SF", {"displayName": "x", "unknown": 1, "mayor": {"mayor name": "y", "party": "z"}}))
        ctx.update(City, "SF", {City.name: "new", "population": 3, City.mayor[Mayor.since]: 5})
        assert {
            "displayName": "new",
            "unknown": 1,
            "population": 3,
            "mayor": {"mayor name": "y", "party": "z", "since": 5},
        } == db.data("cities/SF")

    def test_update_brings_the_instance_up_to_date(self, ctx: Any) -> None:
        city = whole_city()
        ctx.save(city)
        ctx.update(city, {City.name: "new", "mayor.since": 7, City.attributes["k.x"]: [2], "budget": Decimal(2)})
        assert ("new", 7, {"k.x": [2], "a b": True}) == (city.name, city.mayor and city.mayor.since, city.attributes)
        assert city == ctx.get(City, "SF")

    def test_update_removes_fields(self, db: Database, ctx: Any) -> None:
        ctx.save(whole_city())
        ctx.update(City, "SF", {City.population: DELETE_FIELD, City.attributes["k.x"]: DELETE_FIELD})
        data = db.data("cities/SF")
        assert data is not None
        assert ("population" in data, data["attributes"]) == (False, {"a b": True})

    def test_update_needs_the_document_through_contexts(self, ctx: Any) -> None:
        with pytest.raises(DocumentNotFoundError):
            ctx.update(City, "SF", {City.name: "x"})
        assert not ctx.exists(City, "SF")

    def test_update_of_named_fields(self, ctx: Any) -> None:
        city = whole_city()
        ctx.save(city)
        ctx.update(City, "SF", {City.state: "NV"})
        city.name, city.population, city.state = "new", 1, "XX"
        ctx.update(city, fields=[City.name, City.population])
        read = ctx.get(City, "SF")
        assert ("new", 1, "NV") == (read.name, read.population, read.state)

    @needs(Feature.TRANSFORMS)
    def test_transforms_through_contexts(self, ctx: Any) -> None:
        city = whole_city()
        ctx.save(city)
        ctx.update(
            city,
            {
                City.population: Increment(5),
                City.regions: ArrayUnion(["norcal"]),
                City.tags: ArrayUnion([Status.CLOSED]),
            },
        )
        ctx.refresh(city)
        assert (870_005, ["west_coast", "norcal"]) == (city.population, city.regions)
        assert {Status.OPEN, Status.CLOSED} == city.tags

    @needs(Feature.TRANSFORMS)
    def test_times_of_the_server(self, ctx: Any) -> None:
        stamped = Stamped(id="x")
        ctx.save(stamped)
        ctx.update(stamped, {Stamped.created: SERVER_TIMESTAMP})
        ctx.refresh(stamped)
        assert stamped.created is not None
        assert abs(datetime.now(timezone.utc) - stamped.created) < timedelta(hours=1)

    @needs(Feature.TRANSFORMS, Feature.MASKS)
    @pytest.mark.parametrize("method", ["save", "create", "merge", "update"])
    def test_transforms_in_maps(self, db: Database, ctx: Any, method: str) -> None:
        now, more, added = (cast("Any", one) for one in (SERVER_TIMESTAMP, Increment(2), ArrayUnion(["y"])))
        values: dict[str, Any] = {
            "last": Visit(count=more, pages=added),
            "visits": {"a": Visit(seen=now), "b": Visit(pages=added)},
            "notes": {"k.x": {"n": Increment(1), "at": SERVER_TIMESTAMP}, "only": {"n": Maximum(1)}},
        }
        last = {"seen at": None, "count": 5, "pages": ["x"], "kept": 1}
        if method != "create":
            db.commit(Set("visitors/a", {"last": last, "visits": {"old": {}}, "notes": {"k.x": {"n": 5}}}))
        match method:
            case "update":
                ctx.update(Visitor, "a", values)
            case "merge":
                ctx.save(Visitor(id="a", **values), merge=True)
            case _:
                getattr(ctx, method)(Visitor(id="a", **values))
        data = db.data("visitors/a")
        assert data is not None
        moments = [data["visits"]["a"].pop("seen at"), data["notes"]["k.x"].pop("at")]
        assert moments[0] == moments[1]
        assert abs(datetime.now(timezone.utc) - moments[0]) < timedelta(hours=1)
        # Only a merge keeps what stands beside the declared fields of a map, so only there the old numbers count.
        merged = {"seen at": None, "count": 7, "pages": ["x", "y"], "kept": 1}
        assert data["last"] == (merged if method == "merge" else {"seen at": None, "count": 2, "pages": ["y"]})
        assert data["visits"] == {"a": {"count": 0, "pages": []}, "b": {"seen at": None, "count": 0, "pages": ["y"]}}
        assert data["notes"] == {"k.x": {"n": 1}, "only": {"n": 1}}
        assert type(ctx.get(Visitor, "a").last) is Visit

    @needs(Feature.MASKS)
    def test_a_merge_removes_fields(self, db: Database, ctx: Any) -> None:
        db.commit(Set("visitors/a", {"last": {"count": 5, "kept": 1}, "notes": 1, "kept": 2}))
        ctx.save(Visitor(id="a", last=Visit(count=cast("Any", DELETE_FIELD)), notes=DELETE_FIELD), merge=True)
        data = db.data("visitors/a")
        assert data == {"last": {"seen at": None, "pages": [], "kept": 1}, "visits": {}, "kept": 2}

    @needs(Feature.MERGES, Feature.TRANSFORMS)
    def test_merge_writes_some_fields_of_a_document_that_may_not_exist(self, db: Database, ctx: Any) -> None:
        ctx.merge(City, "SF", City.name.set("x"), City.population.set(Increment(2)))
        assert db.data("cities/SF") == {"displayName": "x", "population": 2}
        db.commit(Set("cities/SF", {"displayName": "x", "unknown": 1, "mayor": {"since": 1, "party": "z"}}))
        ctx.merge(City, "SF", {City.name: "y", City.mayor[Mayor.name]: "m", City.budget: DELETE_FIELD})
        mayor = {"since": 1, "party": "z", "mayor name": "m"}
        assert db.data("cities/SF") == {"displayName": "y", "unknown": 1, "mayor": mayor}
        ctx.merge(Stamped, "x", {Stamped.name: "y"})
        stamped = ctx.get(Stamped, "x")
        assert (None, True) == (stamped.created, stamped.updated is not None)
        for wrong in ({City.population: 1}, {City.name: "z", City.mayor[Mayor.since]: 1}):
            with pytest.raises(CendryError, match="a City without"):
                ctx.merge(City, "LA", wrong)
        assert db.data("cities/LA") is None

    @needs(Feature.MERGES, Feature.TRANSACTIONS)
    def test_merges_in_batches_and_below_parents(self, ctx: Any) -> None:
        city = City(id="SF", name="x")
        with ctx.batch() as batch:
            batch.merge(city, City.name.set("x"))
            batch.merge(Area, "a", {Area.name: "y"}, parent=city)
            batch.merge(Ref(Area, "b", parent=Ref(City, "SF")), Area.name.set("z"), Area.rank.set(2))
        assert ["y", "z"] == [one.name for one in ctx.get_many(Area, ["a", "b"], parent=city)]
        with ctx.transaction() as txn:
            area = txn.get(Area, "b", parent=city)
            txn.merge(area, Area.name.set("z"), Area.rank.set(area.rank + 1))
        assert (3, 3) == (area.rank, ctx.get(Area, "b", parent=city).rank)

    def test_typed_changes(self, ctx: Any) -> None:
        city = whole_city()
        ctx.save(city)
        ctx.update(city, City.name.set("new"), City.mayor[Mayor.since].set(3), City.attributes["k.x"].set(5))
        read = ctx.get(City, "SF")
        assert ("new", 3, 5) == (read.name, read.mayor.since, read.attributes["k.x"])
        assert city == read
        _, created = ctx.get_or_create(City, "LA", [City.name.set("x"), City.twin.set(city)])
        assert (True, Ref(City, "SF")) == (created, ctx.get(City, "LA").twin)
        with pytest.raises(CendryError, match="names no fields"):
            ctx.update(city, {})

    def test_transforms_in_arrays_are_refused_before_anything_is_sent(self, db: Database, ctx: Any) -> None:
        for notes in ([Increment(1)], {"k": [{"at": SERVER_TIMESTAMP}]}):
            with pytest.raises(InvalidValueError, match="transforms can't be inside arrays"):
                ctx.save(Visitor(id="a", notes=notes))
        assert db.data("visitors/a") is None

    # --- what models keep ---

    @needs(Feature.MASKS)
    def test_merge_leaves_what_the_model_does_not_know(self, db: Database, ctx: Any) -> None:
        db.commit(Set("cities/SF", {"displayName": "x", "unknown": 1, "mayor": {"mayor name": "y", "party": "z"}}))
        ctx.save(City(id="SF", name="new", mayor=Mayor(name="m", since=1)), merge=True)
        data = db.data("cities/SF")
        assert data is not None
        assert ("new", 1, 0) == (data["displayName"], data["unknown"], data["population"])
        assert {"mayor name": "m", "since": 1, "party": "z"} == data["mayor"]

    @needs(Feature.MASKS)
    def test_a_model_can_keep_what_it_does_not_know(self, db: Database, ctx: Any) -> None:
        ctx.save(whole_city())
        before = db.data("cities/SF")
        kept = ctx.get(Kept, "SF")
        kept.name, kept.mayor = "new", None
        ctx.save(kept)
        assert {**(before or {}), "displayName": "new", "mayor": None} == db.data("cities/SF")

    # --- delete, refresh ---

    def test_delete(self, ctx: Any) -> None:
        city = whole_city()
        ctx.save(city)
        ctx.delete(city)
        ctx.delete(City, "SF")
        assert ctx.find(City, "SF") is None
        with pytest.raises(DocumentNotFoundError):
            ctx.delete(City, "SF", must_exist=True)

    def test_refresh_reads_into_the_instance(self, ctx: Any) -> None:
        city = whole_city()
        ctx.save(city)
        ctx.update(City, "SF", {City.name: "new"})
        ctx.refresh(city)
        assert "new" == city.name
        ctx.delete(City, "SF")
        with pytest.raises(DocumentNotFoundError):
            ctx.refresh(city)
        assert "new" == city.name

    # --- if_unchanged, metadata ---

    @needs(Feature.PRECONDITIONS)
    def test_if_unchanged(self, ctx: Any) -> None:
        mine = whole_city()
        ctx.save(mine)
        theirs = ctx.get(City, "SF")
        ctx.update(theirs, {City.population: 1}, if_unchanged=True)
        writes: list[Callable[[], object]] = [
            lambda: ctx.save(mine, if_unchanged=True),
            lambda: ctx.update(mine, {City.population: 2}, if_unchanged=True),
            lambda: ctx.delete(mine, if_unchanged=True),
        ]
        for write in writes:
            with pytest.raises(StaleDocumentError):
                write()
        assert 1 == ctx.get(City, "SF").population
        ctx.save(theirs, if_unchanged=True)
        ctx.delete(City, "SF", if_unchanged=get_metadata(theirs).update_time)
        assert not ctx.exists(City, "SF")

    @needs(Feature.PRECONDITIONS, Feature.TIMES)
    def test_if_unchanged_by_the_header_if_match(self, ctx: Any) -> None:
        city = whole_city()
        writes: list[Callable[[str], object]] = [
            lambda etags: ctx.save(city, if_unchanged=etags),
            lambda etags: ctx.update(City, "SF", {City.population: 2}, if_unchanged=etags),
            lambda etags: ctx.delete(City, "SF", if_unchanged=etags),
        ]
        for write in writes:
            with pytest.raises(DocumentNotFoundError):
                write("*")
        assert not ctx.exists(City, "SF")
        ctx.save(city)
        old = get_metadata(city).etag
        city.name = "new"
        ctx.save(city)
        for write in writes:
            with pytest.raises(StaleDocumentError):
                write(old)
            with pytest.raises(InvalidEtagError):
                write('"of-another", W/"weak"')
            assert ctx.exists(City, "SF")
            write(f'{old}, "of-another", {get_metadata(city).etag}')
            ctx.save(city)
            write("*")
            ctx.save(city)

    @needs(Feature.TIMES)
    def test_metadata_is_that_of_the_document(self, db: Database, ctx: Any) -> None:
        city = whole_city()
        ctx.save(city)
        [stored] = db.get("cities/SF")
        assert ("cities/SF", stored.update_time) == (get_metadata(city).path, get_metadata(city).update_time)
        read: City = ctx.get(City, "SF")
        assert (stored.create_time, stored.update_time) == get_metadata(read)[1:3]
        others: list[City] = [copy.copy(read), copy.deepcopy(read), pickle.loads(pickle.dumps(read))]  # noqa: S301
        for other in others:
            assert get_metadata(read) == get_metadata(other)
        with pytest.raises(CendryError):
            get_metadata(City(name="never stored"))

    # --- automatic times ---

    def test_automatic_times(self, db: Database) -> None:
        times = [NOW, LATER, LATER]
        ctx = db.context(clock=lambda: times.pop(0))
        stamped = Stamped(id="x")
        ctx.create(stamped)
        assert (NOW, NOW) == (stamped.created, stamped.updated)
        ctx.update(stamped, {Stamped.name: "n"})
        assert (NOW, LATER) == (stamped.created, stamped.updated)
        assert stamped == ctx.get(Stamped, "x")
        assert LATER == (db.data("stamped/x") or {})["changed at"]

    def test_naive_datetimes_are_utc(self, ctx: Any) -> None:
        ctx.save(Stamped(id="x", created=datetime(2024, 1, 2, 3)))
        assert datetime(2024, 1, 2, 3, tzinfo=timezone.utc) == ctx.get(Stamped, "x").created

    def test_a_failed_write_leaves_the_instance_as_it_was(self, db: Database) -> None:
        ctx = db.context(clock=lambda: NOW)
        ctx.create(Stamped(id="x"))
        stamped = Stamped(id="x", name="mine")
        nameless = Stamped()
        with pytest.raises(DocumentAlreadyExistsError):
            ctx.create(stamped)
        batch = ctx.batch()
        batch.create(stamped)
        batch.create(nameless)
        with pytest.raises(DocumentAlreadyExistsError):
            batch.commit()
        assert (None, None, "mine") == (stamped.created, stamped.updated, stamped.name)
        assert (None, None) == (nameless.id, nameless.updated)
        with pytest.raises(CendryError):
            get_metadata(stamped)

    @pytest.mark.parametrize("population", [2**63, 1.5, True, "5"])
    def test_what_does_not_fit_is_not_written(self, ctx: Any, population: Any) -> None:
        with pytest.raises(InvalidValueError, match=r"City\.population: expected int"):
            ctx.save(City(id="SF", name="x", population=population))
        assert not ctx.exists(City, "SF")

    # --- subcollections ---

    def test_a_document_of_a_subcollection_is_written_where_it_lives(self, db: Database, ctx: Any) -> None:
        city = whole_city()
        area = Area(id="mission", name="Mission")
        ctx.save(area, parent=city)
        ctx.save(Spot(id="park", name="Park"), parent=area)
        read = ctx.get(Area, "mission", parent=Ref(City, "SF"))
        ctx.update(read, {Area.rank: 2})
        read.name = "new"
        ctx.save(read)
        assert {"name": "new", "rank": 2} == db.data("cities/SF/areas/mission")
        assert "Park" == ctx.get(Spot, "park", parent=read).name
        ctx.delete(read)
        assert [None, {"name": "Park"}] == [
            db.data("cities/SF/areas/mission"),
            db.data("cities/SF/areas/mission/spots/park"),
        ]
        with pytest.raises(CendryError, match="parent"):
            ctx.save(Area(id="lost", name="x"))

    def test_stored_paths_are_taken_as_they_are(self, db: Database, ctx: Any) -> None:
        ctx.save(City(id="SF", name="x"))
        ctx.update(City, "SF", {FieldPath("not.declared", "deep"): 1})
        assert {"deep": 1} == (db.data("cities/SF") or {})["not.declared"]

    # --- transactions ---

    @needs(Feature.TRANSACTIONS, Feature.QUERIES)
    def test_an_iterator_ends_with_its_transaction(self, ctx: Any) -> None:
        parent = Ref(City, "SF")
        ctx.save_many([Area(id=f"a{number}", name="x") for number in range(3)], parent=parent)
        with ctx.transaction() as txn:
            query = txn.select(Area, order_by=Area.name, parent=parent)
            fresh, begun = iter(query), iter(query)
            assert "x" == next(begun).name
        for read in (lambda: next(fresh), lambda: next(begun), query.to_list, query.count):
            with pytest.raises(CendryError, match="This transaction has ended"):
                read()
