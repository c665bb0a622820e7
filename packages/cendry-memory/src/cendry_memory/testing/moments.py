"""Reads at a past moment, of queries and of whole contexts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any, Final

import pytest
from cendry import (
    CendryError,
    DocumentNotFoundError,
    InvalidPageTokenError,
    InvalidRequestError,
    Query,
    Ref,
    UnsupportedByBackendError,
    Vector,
    count,
    get_metadata,
)

from .documents import Area, City, Mayor, Note
from .driver import Database
from .features import Feature, needs
from .suite import Suite, in_transaction

_REFUSED: Final[dict[str, Callable[[Any], object]]] = {
    "save": lambda ctx: ctx.save(City(name="new")),
    "create": lambda ctx: ctx.create(City(name="new")),
    "update": lambda ctx: ctx.update(City, "a", {City.name: "new"}),
    "merge": lambda ctx: ctx.merge(City, "a", {City.name: "new"}),
    "delete": lambda ctx: ctx.delete(City, "a"),
    "save_many": lambda ctx: ctx.save_many([City(name="new")]),
    "save_many of nothing": lambda ctx: ctx.save_many([]),
    "delete_many": lambda ctx: ctx.delete_many(City, ["a"]),
    "get_or_create": lambda ctx: ctx.get_or_create(City, "a", {City.name: "new"}),
    "update_or_create": lambda ctx: ctx.update_or_create(City, "a", {City.name: "new"}),
    "save_many, not atomic": lambda ctx: ctx.save_many([City(name="new")], atomic=False),
    "delete_recursive": lambda ctx: ctx.delete_recursive(City, "a"),
    "update of a query": lambda ctx: ctx.select(City).update({City.name: "new"}),
    "delete of a query": lambda ctx: ctx.select(City).delete(),
    "bulk": lambda ctx: ctx.bulk(),
    "batch": lambda ctx: ctx.batch(),
    "transaction": lambda ctx: ctx.transaction(),
    "transaction of a function": lambda ctx: ctx.transaction(print),
}


class MomentConformance(Suite):
    """Contexts and queries at a past moment; explanations of queries."""

    @pytest.fixture
    def moment(self, ctx: Any) -> datetime:
        """A moment when there were cities a to d; since then a has changed, b is gone and e is new."""
        before = [City(id=name, name=f"old {name}", population=place) for place, name in enumerate("abcd")]
        ctx.save_many(before)
        ctx.save(Area(id="x", name="old"), parent=Ref(City, "a"))
        moment = get_metadata(ctx.get(Area, "x", parent=Ref(City, "a"))).update_time
        assert isinstance(moment, datetime)
        ctx.update(City, "a", {City.name: "new a", City.population: 10})
        ctx.delete(City, "b")
        ctx.save(City(id="e", name="new e", population=20))
        ctx.delete(Area, "x", parent=Ref(City, "a"))
        return moment

    @needs(Feature.READ_TIMES, Feature.TIMES)
    def test_documents_are_as_they_were(self, ctx: Any, moment: datetime) -> None:
        past = ctx.at(moment)
        assert "old a" == past.get(City, "a").name == past.get(Ref(City, "a")).name
        assert ("old b", None) == (past.find(City, "b").name, past.find(City, "e"))
        assert ["old b", "old a"] == [city.name for city in past.get_many(City, ["b", "a"])]
        assert ["old b", None] == [city and city.name for city in past.find_many(City, ["b", "e"])]
        assert [True, False] == [past.exists(City, name) for name in "be"]
        assert "old" == past.get(Area, "x", parent=Ref(City, "a")).name
        with pytest.raises(DocumentNotFoundError):
            past.get(City, "e")
        assert ["new a", None] == [ctx.get(City, "a").name, ctx.find(City, "b")]

    @needs(Feature.READ_TIMES, Feature.TIMES)
    def test_references_are_followed_to_the_moment(self, ctx: Any, moment: datetime) -> None:
        cities = [City(name="x", twin=Ref(City, name)) for name in "be"]
        assert {"old b"} == {city.name for city in ctx.at(moment).fetch_refs(cities, City.twin).values()}
        assert {"new e"} == {city.name for city in ctx.fetch_refs(cities, City.twin).values()}

    @needs(Feature.READ_TIMES, Feature.TIMES)
    def test_refresh_brings_an_instance_to_the_moment(self, ctx: Any, moment: datetime) -> None:
        city = ctx.get(City, "a")
        ctx.at(moment).refresh(city)
        assert ("old a", moment) == (city.name, get_metadata(city).read_time)
        ctx.refresh(city)
        assert "new a" == city.name

    @needs(Feature.READ_TIMES, Feature.TIMES, Feature.QUERIES, Feature.PAGES)
    def test_queries_see_the_moment(self, ctx: Any, moment: datetime) -> None:
        query = ctx.at(moment).select(City, order_by=City.population)
        assert ["old a", "old b", "old c", "old d"] == [city.name for city in query]
        assert (list("abcd"), "a", "d", True) == (query.ids(), query.first().id, query.last().id, query.exists())
        assert [list("abc"), ["d"]] == [[city.id for city in page] for page in query.paginate(3)]
        assert "old b" == query.filter(City.population == 1).one().name
        assert list("cdae") == ctx.select(City, order_by=City.population).ids()

    @needs(Feature.READ_TIMES, Feature.TIMES, Feature.QUERIES, Feature.SUMS, Feature.COUNTS, Feature.PROJECTIONS)
    def test_rows_and_aggregates_see_the_moment(self, ctx: Any, moment: datetime) -> None:
        query = ctx.at(moment).select(City, order_by=City.population)
        assert [("old a", 0), ("old b", 1)] == query.limit(2).values(City.name, City.population).to_list()
        assert [{"id": "d", "name": "old d"}] == query.limit_to_last(1).project(City.name).to_list()
        assert (4, 6, 1.5) == (query.count(), query.sum(City.population), query.avg(City.population))
        assert (4, 6) == query.aggregate(count(), City.population.sum())
        assert [("a",)] == ctx.at(moment).select(Query(City, City.population < 1).values(City.id)).to_list()
        assert (4, []) == (ctx.select(City).count(), ctx.select(City, City.population == 1).ids())

    @needs(Feature.READ_TIMES, Feature.TIMES, Feature.QUERIES, Feature.VECTORS)
    def test_the_nearest_of_the_moment(self, ctx: Any) -> None:
        ctx.save(Note(id="a", embedding=Vector([1, 0])))
        moment = get_metadata(ctx.get(Note, "a")).update_time
        ctx.delete(Note, "a")
        found = [
            context.select(Note).find_nearest(Note.embedding, [1, 0], limit=2, distance="euclidean").to_list()
            for context in (ctx.at(moment), ctx)
        ]
        assert [["a"], []] == [[near.document.id for near in each] for each in found]

    @needs(Feature.READ_TIMES, Feature.TIMES, Feature.QUERIES, Feature.GROUPS)
    def test_collection_groups_see_the_moment(self, ctx: Any, moment: datetime) -> None:
        group = ctx.at(moment).select_group(Area)
        assert ["cities/a/areas/x"] == group.ids()
        assert [] == ctx.select_group(Area).ids()
        assert [["cities/a/areas/x"]] == [part.ids() for part in group.partitions(3)]

    @needs(Feature.READ_TIMES, Feature.TIMES, Feature.QUERIES, Feature.PAGES)
    def test_pages_of_a_moment_have_tokens_of_their_own(self, ctx: Any, moment: datetime) -> None:
        past = ctx.at(moment)
        first = past.select(City, order_by=City.population).page(3)
        # A query that names the moment itself is the same one, in whatever context.
        for query in (past.select(City, order_by="population"), ctx.select(City, order_by="population").at(moment)):
            second = query.page(3, after=first.next_token)
            assert (["d"], None) == ([city.id for city in second], second.next_token)
        for other in (ctx, ctx.at(moment - timedelta(microseconds=1))):
            with pytest.raises(InvalidPageTokenError):
                other.select(City, order_by="population").page(3, after=first.next_token)

    @needs(Feature.READ_TIMES, Feature.TIMES, Feature.QUERIES)
    def test_the_moment_of_a_query_comes_before_that_of_its_context(self, ctx: Any, moment: datetime) -> None:
        later = get_metadata(ctx.get(City, "e")).update_time
        query = Query(City, City.population >= 10)
        past = ctx.at(moment)
        assert [] == past.select(query).ids()
        assert ["a", "e"] == sorted(past.select(query).at(later).ids()) == sorted(past.select(query.at(later)).ids())
        assert ["a", "e"] == sorted(past.at(later).select(query).ids())
        assert [] == ctx.at(later).select(past.select(query)).ids()

    @needs(Feature.READ_TIMES, Feature.TIMES, Feature.QUERIES)
    def test_everything_else_is_refused(self, db: Database, ctx: Any, moment: datetime) -> None:
        past = ctx.at(moment)
        stored = {path: db.data(path) for path in ("cities/a", "cities/new")}
        for name, call in _REFUSED.items():
            with pytest.raises(CendryError, match=r"reads at .* and does nothing else, so it has no ") as caught:
                call(past)
            assert type(caught.value) is CendryError, name
        city = City(name="new")
        with pytest.raises(CendryError, match="no writes"):
            past.save(city)
        assert city.id is None
        assert stored == {path: db.data(path) for path in stored}

    @needs(Feature.READ_TIMES, Feature.TIMES, Feature.QUERIES, Feature.TRANSACTIONS)
    def test_a_query_in_a_transaction_has_no_moment(self, ctx: Any, moment: datetime) -> None:
        def read(txn: Any) -> None:
            query = txn.select(City).at(moment)
            for call in (query.to_list, query.count, query.values(City.name).to_list):
                with pytest.raises(CendryError, match="A transaction reads at one moment"):
                    call()

        in_transaction(ctx, read)

    @needs(Feature.READ_TIMES, Feature.TIMES)
    def test_it_shares_the_backend_and_closes_nothing(self, db: Database, ctx: Any, moment: datetime) -> None:
        with ctx.at(moment) as past:
            assert "old a" == past.get(City, "a").name
        for use in (lambda: past.get(City, "a"), past.__enter__, lambda: past.at(moment)):
            with pytest.raises(CendryError, match="closed"):
                use()
        past = ctx.at(moment)
        assert "new a" == ctx.get(City, "a").name
        ctx.close()
        for use in (lambda: past.get(City, "a"), past.__enter__, lambda: ctx.at(moment)):
            with pytest.raises(CendryError, match="closed"):
                use()
        assert "new a" == db.context().get(City, "a").name

    @needs(Feature.QUERIES)
    @pytest.mark.parametrize("analyze", [False, True])
    def test_queries_are_explained_in_production_alone(self, db: Database, ctx: Any, analyze: bool) -> None:
        ctx.save(City(id="a", name="x"))
        query = ctx.select(City, City.name == "x")
        for explain in (query.explain, query.values(City.name).explain, partial(query.explain, count())):
            with pytest.raises(UnsupportedByBackendError) as caught:
                explain(analyze=analyze)
            assert (db.name, "explain()") == (caught.value.backend, caught.value.feature)

    @needs(Feature.READ_TIMES)
    def test_moments_that_cant_be_read_at(self, ctx: Any) -> None:
        ctx.save(City(id="a", name="x", mayor=Mayor(name="Ada")))
        now = datetime.now(timezone.utc)
        for future in (now + timedelta(days=1), datetime.max.replace(tzinfo=timezone.utc)):
            with pytest.raises(InvalidRequestError, match="future"):
                ctx.at(future)
            query = ctx.select(City).at(future)
            for read in (query.to_list, query.count):
                with pytest.raises(InvalidRequestError, match="future"):
                    read()
        long_ago = datetime.min.replace(tzinfo=timezone(timedelta(hours=14)))
        for read in (lambda: ctx.at(long_ago), ctx.select(City).at(long_ago).to_list):
            with pytest.raises(InvalidRequestError, match="too old"):
                read()
        with pytest.raises(InvalidRequestError, match="is naive"):
            ctx.at(datetime(2026, 1, 1))
        with pytest.raises(TypeError, match="is a datetime, not '2026-01-01'"):
            ctx.at("2026-01-01")
