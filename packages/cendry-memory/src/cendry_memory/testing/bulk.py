"""Bulk writes: each by itself, through `write_many` and through contexts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any, cast

import pytest
from cendry import (
    DELETE_FIELD,
    ArrayUnion,
    BulkError,
    BulkFailure,
    BulkProgress,
    BulkResult,
    CendryError,
    DocumentAlreadyExistsError,
    DocumentNotFoundError,
    ForeignReferenceError,
    Increment,
    InvalidRequestError,
    InvalidValueError,
    Ref,
    StaleDocumentError,
    UnknownFieldError,
    get_metadata,
)
from cendry.backend import MAX_BULK_WRITES, WriteResult
from cendry.plan import Create, Delete, FieldTransform, QueryPlan, Set, Update

from .documents import Area, City, Spot, Stamped
from .driver import Database, path_of, together
from .features import Feature, needs
from .suite import Suite, in_transaction

X = path_of("x")
LONG_AGO = datetime(2024, 1, 1, tzinfo=timezone.utc)


def cities(count: int, **values: Any) -> list[City]:
    """Some cities."""
    return [City(id=f"c{number:04}", name=f"City {number}", population=number, **values) for number in range(count)]


def kinds(results: list[WriteResult]) -> list[type[BaseException] | None]:
    """The kinds of the errors, `None` for a success."""
    return [None if one.error is None else type(one.error) for one in results]


class BulkConformance(Suite):
    """Writes that are not atomic."""

    # --- write_many ---

    @needs(Feature.BULK, Feature.TRANSFORMS, Feature.MASKS)
    def test_each_write_stands_by_itself(self, db: Database) -> None:
        db.commit(Set("c/there", {"x": 1, "y": 1}), Set("c/gone", {}))
        results = db.write_many(
            Set("c/new", {"x": 1}),
            Create("c/there", {"x": 2}),
            Create("c/made", {"x": 3}),
            Update("c/absent", {"x": 4}, (X,)),
            Delete("c/gone"),
            Delete("c/never", must_exist=True),
            Set("c/masked", {"x": 5, "unnamed": 1}, mask=(X,)),
            Set("c/counted", {}, transforms=(FieldTransform(X, Increment(6)),)),
        )
        exists, absent = DocumentAlreadyExistsError, DocumentNotFoundError
        assert [None, exists, None, absent, None, absent, None, None] == kinds(results)
        assert not any(one.is_lost or one.is_transient for one in results)
        assert [{"x": 1}, {"x": 1, "y": 1}, {"x": 3}, None, None, {"x": 5}, {"x": 6}] == [
            db.data(f"c/{name}") for name in ("new", "there", "made", "absent", "gone", "masked", "counted")
        ]

    @needs(Feature.BULK)
    def test_an_error_names_its_document_alone(self, db: Database) -> None:
        db.commit(Set("c/a", {}), Set("c/b", {}))
        first, second = db.write_many(Create("c/a", {}), Create("c/b", {}))
        for path, result in (("c/a", first), ("c/b", second)):
            assert isinstance(result.error, DocumentAlreadyExistsError)
            assert path == result.error.path

    @needs(Feature.BULK, Feature.TIMES)
    def test_each_write_has_the_time_of_its_version(self, db: Database) -> None:
        db.commit(Set("c/same", {"x": 1}))
        [before] = db.get("c/same")
        first, same, deleted = db.write_many(Set("c/a", {"x": 1}), Set("c/same", {"x": 1}), Delete("c/b"))
        assert db.get("c/a")[0].update_time == first.update_time
        assert before.update_time == same.update_time
        assert deleted.update_time is None

    @needs(Feature.BULK, Feature.PRECONDITIONS)
    def test_a_stale_write_fails_alone(self, db: Database) -> None:
        [time] = db.commit(Set("c/a", {"x": 1})).update_times
        assert time is not None
        wrong = time - timedelta(seconds=1)
        assert [StaleDocumentError, None] == kinds(
            db.write_many(Set("c/a", {"x": 2}, update_time=wrong), Set("c/b", {"x": 2}))
        )
        assert [None] == kinds(db.write_many(Delete("c/a", update_time=time)))

    @needs(Feature.BULK)
    def test_a_write_that_cant_be_sent_fails_alone(self, db: Database) -> None:
        foreign = Ref.from_path("c/x", database="projects/other/databases/there")
        writes = [Set(f"c/{number}", {"x": foreign if number in (0, 2, 5) else number}) for number in range(6)]
        expected: list[type[BaseException] | None] = [None] * 6
        expected[0] = expected[2] = expected[5] = ForeignReferenceError
        assert expected == kinds(db.write_many(*writes))
        assert [None, {"x": 1}, None, {"x": 3}, {"x": 4}, None] == [db.data(f"c/{number}") for number in range(6)]
        assert [ForeignReferenceError] == kinds(db.write_many(writes[0]))

    @needs(Feature.BULK)
    def test_a_change_that_cant_be_sent_fails_alone(self, ctx: Any) -> None:
        twin: Any = Ref.from_path("cities/y", model=City, database="projects/other/databases/there")

        def run() -> None:
            with bulk:
                bulk.update(City, "a", {City.population: 1})
                bulk.update(City, "x", {City.twin: twin})
                bulk.update(City, "b", {City.population: 1})

        ctx.save_many([City(id=name, name=name) for name in "axb"])
        bulk = ctx.bulk()
        with pytest.raises(BulkError) as caught:
            run()
        [failure] = caught.value.failed
        assert ("cities/x", ForeignReferenceError) == (failure.path, type(failure.error))
        assert (2, 1, 1) == (bulk.result.written, ctx.get(City, "a").population, ctx.get(City, "b").population)

    @needs(Feature.BULK, Feature.LIMITS)
    def test_a_malformed_write_fails_alone(self, db: Database) -> None:
        wrong = [Set("c/b", {"__x__": 1}), Set("c/big", {"x": "x" * 1_100_000}), Set("c/n", {"x": [[1]]})]
        writes = [Set(f"c/{number}", {"x": number}) for number in range(9)]
        results = db.write_many(writes[0], wrong[0], *writes[1:6], wrong[1], *writes[6:], wrong[2])
        expected: list[type[BaseException] | None] = [None] * 12
        for place in (1, 7, 11):
            expected[place] = InvalidRequestError
        assert expected == kinds(results)
        assert list(range(9)) == [(db.data(f"c/{number}") or {})["x"] for number in range(9)]

    @needs(Feature.BULK)
    def test_many_large_writes_in_one_call(self, db: Database) -> None:
        text = "x" * 700_000
        results = db.write_many(*(Set(f"c/{number}", {"x": text, "n": number}) for number in range(12)))
        assert [None] * 12 == kinds(results)
        assert list(range(12)) == [(db.data(f"c/{number}") or {})["n"] for number in range(12)]

    @needs(Feature.BULK)
    def test_one_document_twice_in_a_call(self, db: Database) -> None:
        with pytest.raises(InvalidRequestError, match="more than once"):
            db.write_many(Set("c/a", {"x": 1}), Set("c/b", {}), Set("c/a", {"x": 2}))
        assert [None, None] == [db.data("c/a"), db.data("c/b")]

    @needs(Feature.BULK)
    def test_no_writes_and_the_most(self, db: Database) -> None:
        assert [] == db.write_many()
        results = db.write_many(*(Set(f"c/{number}", {}) for number in range(MAX_BULK_WRITES)))
        assert [None] * MAX_BULK_WRITES == kinds(results)

    @needs(Feature.BULK)
    def test_all_documents_below_one_by_name(self, db: Database) -> None:
        inside = ["c/a/d/1", "c/a/d/2", "c/a/d/1/e/x", "c/a/f/deep/g/h/i/j"]
        db.commit(*(Set(path, {"x": 1}) for path in (*inside, "c/a", "c/ab/d/1", "c/b/d/1", "d/1")))
        found = db.run(QueryPlan("", "c/a", group=True, projection=()))
        assert ["c/a/d/1", "c/a/d/1/e/x", "c/a/d/2", "c/a/f/deep/g/h/i/j"] == [result.path for result in found]
        assert [{}] * 4 == [result.data for result in found]
        assert [] == db.run(QueryPlan("", "c/none", group=True, projection=()))

    # --- ctx.bulk() ---

    @needs(Feature.BULK, Feature.QUERIES, Feature.COUNTS)
    def test_any_number_of_writes(self, ctx: Any) -> None:
        given = cities(MAX_BULK_WRITES * 3 + 7)
        with ctx.bulk() as bulk:
            for city in given:
                bulk.save(city)
        assert BulkResult(len(given)) == bulk.result
        assert len(given) == ctx.select(City).count()
        ctx.delete_many(City, [city.id for city in given], atomic=False)
        assert 0 == ctx.select(City).count()

    @needs(Feature.BULK, Feature.TRANSFORMS, Feature.MERGES)
    def test_every_kind_of_write(self, ctx: Any) -> None:
        old, gone, city = City(id="old", name="Old"), City(id="gone", name="Gone"), City(id="SF", name="San Francisco")
        ctx.save_many([old, gone, city])
        new = City(name="New")
        with ctx.bulk() as bulk:
            created = bulk.create(new)
            bulk.update(old, {City.population: 5})
            bulk.update(City, "SF", City.population.set(Increment(2)), City.regions.set(ArrayUnion(["west"])))
            bulk.merge(City, "LA", {City.name: "Los Angeles"})
            bulk.delete(gone)
            bulk.save(Area(id="a", name="Mission"), parent=city)
            bulk.delete(City, "never")
        assert BulkResult(7) == bulk.result
        assert new.id == created
        assert ["New", "Los Angeles"] == [ctx.get(City, one).name for one in (created, "LA")]
        assert (2, ["west"]) == (ctx.get(City, "SF").population, ctx.get(City, "SF").regions)
        assert (5, 5) == (old.population, ctx.get(City, "old").population)
        assert ctx.find(City, "gone") is None
        assert "Mission" == ctx.get(Area, "a", parent=city).name

    @needs(Feature.BULK, Feature.TRANSFORMS)
    def test_writes_to_one_document_keep_their_order(self, ctx: Any) -> None:
        city = City(id="SF", name="start")
        with ctx.bulk() as bulk:
            bulk.create(city)
            for number in range(20):
                bulk.update(City, "SF", {City.population: Increment(1), City.name: str(number)})
                bulk.save(City(id=f"other{number}", name="x"))
            bulk.delete(City, "SF")
            bulk.create(City(id="SF", name="again"))
            bulk.update(City, "SF", {City.population: Increment(100)})
        assert BulkResult(44) == bulk.result
        assert ("again", 100) == (ctx.get(City, "SF").name, ctx.get(City, "SF").population)

    @needs(Feature.BULK, Feature.TIMES)
    def test_instances_are_as_they_were_written(self, ctx: Any) -> None:
        fresh, old = Stamped(name="fresh"), Stamped(id="old", name="old")
        with ctx.bulk() as bulk:
            bulk.save(fresh)
            assert fresh.id is not None
            bulk.save(old)
            old.name = "changed after it was queued"
        assert fresh.created == fresh.updated is not None
        for one, name in ((fresh, "fresh"), (old, "old")):
            stored = ctx.get(Stamped, one.id)
            assert (name, one.updated) == (stored.name, stored.updated)
            assert get_metadata(stored).update_time == get_metadata(one).update_time
        ctx.update(fresh, {Stamped.name: "y"}, if_unchanged=True)

    @needs(Feature.BULK)
    def test_a_failed_write_leaves_its_instance_as_it_was(self, ctx: Any) -> None:
        ctx.save(Stamped(id="taken", name="first"))
        taken, absent = Stamped(id="taken", name="second"), Stamped(id="absent", name="x")
        fine = Stamped(id="fine", name="x")
        bulk = ctx.bulk()

        def use() -> None:
            with bulk:
                bulk.create(taken)
                bulk.save(fine)
                bulk.update(absent, {Stamped.name: "y"})

        with pytest.raises(BulkError) as caught:
            use()
        assert ["stamped/taken", "stamped/absent"] == [one.path for one in caught.value.failed]
        assert [1, 1] == [one.attempts for one in caught.value.failed]
        assert [DocumentAlreadyExistsError, DocumentNotFoundError] == [type(one.error) for one in caught.value.failed]
        assert caught.value.failed[0].error is caught.value.__cause__
        assert (1, caught.value.failed) == (bulk.result.written, bulk.result.failed)
        assert (None, None, "x") == (taken.updated, absent.updated, absent.name)
        assert fine.updated is not None
        for one in (taken, absent):
            with pytest.raises(CendryError, match="has no metadata"):
                get_metadata(one)
        assert ("first", "x") == (ctx.get(Stamped, "taken").name, ctx.get(Stamped, "fine").name)

    @needs(Feature.BULK)
    def test_handlers_are_told(self, ctx: Any) -> None:
        failures: list[BulkFailure] = []
        progress: list[BulkProgress] = []
        ctx.save(City(id="c0003", name="x"))
        with ctx.bulk(on_error=failures.append, on_progress=progress.append) as bulk:
            for city in cities(2 * MAX_BULK_WRITES):
                bulk.create(city)
        assert ["cities/c0003"] == [one.path for one in failures]
        assert BulkResult(2 * MAX_BULK_WRITES - 1, tuple(failures)) == bulk.result
        assert (2 * MAX_BULK_WRITES - 1, 1) == (progress[-1].written, progress[-1].failed)
        assert progress[-1].rate > 0
        assert len(progress) >= 2

    @needs(Feature.BULK)
    def test_what_does_not_fit_is_not_queued(self, ctx: Any) -> None:
        wrong = City(name="x", population=cast("Any", "many"))
        with ctx.bulk() as bulk:
            bulk.save(City(id="a", name="a"))
            with pytest.raises(InvalidValueError, match="population"):
                bulk.save(wrong)
            with pytest.raises(UnknownFieldError):
                bulk.update(City, "a", {"nme": "x"})
        assert (BulkResult(1), None) == (bulk.result, wrong.id)

    @needs(Feature.BULK)
    def test_a_block_that_raises_discards_what_was_not_sent(self, ctx: Any) -> None:
        fresh = City(name="x")

        def broken() -> None:
            with ctx.bulk() as bulk:
                bulk.save(fresh)
                assert fresh.id is not None
                fresh.name = fresh.id
                bulk.save(City(id="other", name="x"))
                raise KeyError("mine")

        with pytest.raises(KeyError, match="mine"):
            broken()
        assert fresh.id is None
        assert [None, None] == [ctx.find(City, fresh.name), ctx.find(City, "other")]

    @needs(Feature.BULK)
    def test_flush_waits_for_what_is_queued(self, ctx: Any) -> None:
        with ctx.bulk() as bulk:
            bulk.save(City(id="a", name="a"))
            bulk.flush()
            assert "a" == ctx.get(City, "a").name
            bulk.delete(City, "a")
        assert (BulkResult(2), None) == (bulk.result, ctx.find(City, "a"))

    @needs(Feature.BULK)
    def test_a_bulk_is_used_in_its_block(self, ctx: Any) -> None:
        bulk = ctx.bulk()
        with pytest.raises(CendryError, match="is used in a block"):
            bulk.save(City(id="a", name="a"))
        with bulk:
            with pytest.raises(CendryError, match="after the end of its block"):
                _ = bulk.result
            with pytest.raises(CendryError, match="has begun already"):
                bulk.__enter__()
        with pytest.raises(CendryError, match="has ended"):
            bulk.flush()

    @needs(Feature.BULK)
    def test_threads_and_tasks_may_share_a_bulk(self, ctx: Any) -> None:
        given = cities(600)
        with ctx.bulk() as bulk:

            def save(start: int) -> None:
                for city in given[start::6]:
                    bulk.save(city)

            together(*(lambda start=start: save(start) for start in range(6)))
        assert BulkResult(600) == bulk.result
        assert [f"City {number}" for number in range(600)] == [
            city.name for city in ctx.get_many(City, [city.id for city in given])
        ]

    @needs(Feature.BULK)
    @pytest.mark.parametrize("rate", [0, -1, True, "fast", float("nan"), float("inf")])
    def test_rates_are_positive_numbers(self, ctx: Any, rate: Any) -> None:
        with pytest.raises(ValueError, match="max_rate="):
            ctx.bulk(max_rate=rate)

    @needs(Feature.BULK)
    def test_handlers_are_plain_functions(self, ctx: Any) -> None:
        async def handler(_: object) -> None:
            """Nobody awaits it."""

        class Handler:
            async def __call__(self, _: object) -> None:
                """Nobody awaits it either."""

        wrong: list[Callable[[], object]] = [
            lambda: ctx.bulk(on_error=5),
            lambda: ctx.bulk(on_progress=handler),
            lambda: ctx.bulk(on_progress=cast("Any", Handler())),
            lambda: ctx.select(City).delete(on_error=handler),
        ]
        for call in wrong:
            with pytest.raises(TypeError, match="takes a plain function"):
                call()

    @needs(Feature.BULK, Feature.TRANSACTIONS, Feature.QUERIES)
    def test_a_transaction_takes_no_bulk_writes(self, ctx: Any) -> None:
        ctx.save(City(id="a", name="a"))
        calls: list[Callable[[Any], object]] = [
            lambda txn: txn.select(City).delete(),
            lambda txn: txn.select(City).update({City.name: "x"}),
        ]
        for call in calls:
            with pytest.raises(CendryError, match="can't be part of the transaction"):
                in_transaction(ctx, call)
        assert "a" == ctx.get(City, "a").name

    @needs(Feature.BULK, Feature.READ_TIMES, Feature.QUERIES, Feature.TIMES)
    def test_the_past_has_no_bulk_writes(self, ctx: Any) -> None:
        city = City(id="a", name="a")
        ctx.save(city)
        past = ctx.at(get_metadata(city).update_time)
        calls: list[Callable[[], object]] = [
            past.bulk,
            lambda: past.save_many([city], atomic=False),
            lambda: past.select(City).update({City.name: "x"}),
            lambda: past.select(City).delete(),
            lambda: past.delete_recursive(city),
        ]
        for call in calls:
            with pytest.raises(CendryError, match="has no bulk writes"):
                call()
        assert "a" == ctx.get(City, "a").name

    # --- save_many and delete_many ---

    @needs(Feature.BULK)
    def test_save_many_that_is_not_atomic(self, ctx: Any) -> None:
        ids = ctx.save_many((City(name=str(number)) for number in range(502)), atomic=False)
        assert [str(number) for number in range(502)] == [city.name for city in ctx.get_many(City, ids)]
        assert [] == ctx.save_many([], atomic=False)
        with pytest.raises(TypeError, match=r"save_many\(\) takes instances"):
            ctx.save_many(5, atomic=False)

    @needs(Feature.BULK)
    def test_delete_many_that_is_not_atomic(self, ctx: Any) -> None:
        given = cities(5)
        ctx.save_many(given)
        ctx.delete_many(given[:2], atomic=False)
        with pytest.raises(BulkError) as caught:
            ctx.delete_many(City, ["c0001", "c0002"], must_exist=True, atomic=False)
        assert (["cities/c0001"], 1) == ([one.path for one in caught.value.failed], caught.value.written)
        assert [None, None, None, "City 3"] == [
            city and city.name for city in (ctx.find(City, city.id) for city in given[:4])
        ]

    # --- all documents of a query ---

    @needs(Feature.BULK, Feature.QUERIES, Feature.TRANSFORMS)
    def test_an_update_of_all_matches(self, ctx: Any) -> None:
        ctx.save_many(cities(10))
        query = ctx.select(City, City.population >= 6)
        # The query would find others afterwards.
        assert BulkResult(4) == query.update({City.population: Increment(-6), City.state: "NY"})
        assert BulkResult(0) == query.update(City.state.set("TX"))
        found = {city.id: (city.population, city.state) for city in ctx.select(City).to_list()}
        assert [(5, "CA"), (0, "NY"), (3, "NY")] == [found[name] for name in ("c0005", "c0006", "c0009")]
        assert BulkResult(2) == ctx.select(City, order_by=City.population.desc(), limit=2).update(
            City.area.set(1.5), City.budget.set(DELETE_FIELD)
        )
        assert 2 == len(ctx.select(City, City.area == 1.5).to_list())

    @needs(Feature.BULK, Feature.QUERIES)
    def test_an_update_of_all_matches_sets_the_time(self, db: Database) -> None:
        moment = datetime(2024, 5, 6, tzinfo=timezone.utc)
        with db.context(clock=lambda: moment) as ctx:
            ctx.save_many([Stamped(id=str(number), name="old") for number in range(3)])
            moment = datetime(2024, 5, 7, tzinfo=timezone.utc)
            ctx.select(Stamped).update({Stamped.name: "new"})
            for one in ctx.select(Stamped).to_list():
                assert ("new", moment) == (one.name, one.updated)

    @needs(Feature.BULK, Feature.QUERIES)
    def test_an_update_that_is_wrong_writes_nothing(self, ctx: Any) -> None:
        ctx.save_many(cities(2))
        wrong: list[tuple[Any, type[Exception], str]] = [
            ({"nme": 1}, UnknownFieldError, "nme"),
            ({City.population: "many"}, InvalidValueError, "population"),
            ({}, CendryError, "names no fields"),
            ({City.mayor: None, City.mayor["name"]: "x"}, CendryError, "mayor"),
        ]
        for changes, error, text in wrong:
            with pytest.raises(error, match=text):
                ctx.select(City).update(changes)
        assert [0, 1] == [city.population for city in ctx.select(City).to_list()]

    @needs(Feature.BULK, Feature.QUERIES, Feature.GROUPS)
    def test_a_deletion_of_all_matches(self, ctx: Any) -> None:
        given = cities(4)
        ctx.save_many(given)
        for city in given:
            ctx.save_many([Area(id="a", name="x"), Area(id="b", name="y")], parent=city)
        assert BulkResult(1) == ctx.select(Area, Area.name == "x", parent=given[0]).delete()
        assert BulkResult(3) == ctx.select_group(Area, Area.name == "x").delete()
        assert BulkResult(2) == ctx.select(City, City.population < 2).delete()
        assert (["c0002", "c0003"], 4) == (ctx.select(City).ids(), len(ctx.select_group(Area).ids()))
        assert BulkResult(0) == ctx.select(City, City.id.is_in([])).delete()

    # --- a document and what is below it ---

    @needs(Feature.BULK, Feature.QUERIES, Feature.GROUPS)
    def test_a_document_with_all_that_is_below_it(self, ctx: Any) -> None:
        first, second = cities(2)
        ctx.save_many([first, second])
        for city in (first, second):
            area = Area(id="a", name="x")
            ctx.save(area, parent=city)
            ctx.save_many([Spot(id=str(number), name="x") for number in range(3)], parent=area)
            # Its parent doesn't exist.
            ctx.save(Spot(id="lone", name="x"), parent=Ref(Area, "none", parent=city))
        assert BulkResult(6) == ctx.delete_recursive(first)
        assert (["c0001"], 1, 4) == (
            ctx.select(City).ids(),
            len(ctx.select_group(Area).ids()),
            len(ctx.select_group(Spot).ids()),
        )
        ctx.delete(second)
        # What is below a document is there without it.
        assert BulkResult(6) == ctx.delete_recursive(City, "c0001")
        assert [] == ctx.select_group(Spot).ids()
        assert BulkResult(1) == ctx.delete_recursive(City, "c0001")
