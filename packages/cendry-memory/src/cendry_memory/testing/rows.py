"""Rows and aggregates of queries, through contexts."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
from cendry import CendryError, DecodeError, FieldPath, MultipleResultsError, Query, Ref, count
from cendry.plan import Delete, Set

from .documents import Area, City, Mayor, Status
from .driver import Database
from .features import Feature, needs
from .suite import Suite


class RowsConformance(Suite):
    """Some fields of each document, and figures over them."""

    @pytest.fixture
    def towns(self, db: Database, ctx: Any) -> Any:
        """Five cities with populations 0 to 4, of which the first has no area; a query that orders them."""
        for number, name in enumerate("abcde"):
            data: dict[str, Any] = {"displayName": name.upper(), "population": number, "status": "OPEN"}
            data |= {"mayor": {"mayor name": "m", "since": -number}} if number % 2 else {"mayor": None}
            data |= {"area": number + 0.5, "attributes": {"k": number}} if number else {}
            db.commit(Set(f"cities/{name}", data))
        return ctx.select(City, order_by=City.population)

    # --- rows ---

    @needs(Feature.QUERIES, Feature.PROJECTIONS)
    def test_values_are_converted(self, towns: Any) -> None:
        rows = towns.limit(2).values(City.id, City.name, City.status, City.mayor[Mayor.since], City.attributes["k"])
        assert [("a", "A", Status.OPEN, None, None), ("b", "B", Status.OPEN, -1, 1)] == list(rows) == rows.to_list()
        assert [0.0, 1.5] == towns.limit(2).values(City.area, flat=True).to_list()
        assert [None, Mayor(name="m", since=-1)] == towns.limit(2).values("mayor", flat=True).to_list()
        assert [3, 4] == towns.limit_to_last(2).values(FieldPath("population"), flat=True).to_list()

    @needs(Feature.QUERIES)
    def test_ids_of_rows(self, towns: Any) -> None:
        assert list("abcde") == towns.values(City.id, flat=True).to_list()
        assert [{"id": "a"}] == towns.limit(1).project(City.id).to_list()

    @needs(Feature.QUERIES, Feature.PROJECTIONS)
    def test_first_last_and_one_of_rows(self, towns: Any) -> None:
        rows = towns.values(City.name, flat=True)
        assert ("A", "E") == (rows.first(), rows.last())
        assert ("B", "D") == (
            towns.offset(1).values(City.name, flat=True).first(),
            towns.limit_to_last(2).values(City.name, flat=True).first(),
        )
        third = towns.filter(City.population == 2)
        assert ("C", 2) == third.values(City.name, City.population).one()
        assert third.values(City.budget, flat=True).one() is None
        assert third.filter(City.name == "?").values(City.name).one_or_none() is None
        with pytest.raises(MultipleResultsError):
            rows.one()

    @needs(Feature.QUERIES, Feature.PROJECTIONS, Feature.PAGES)
    def test_pages_of_rows_do_not_need_the_fields_of_the_order(self, db: Database, towns: Any) -> None:
        assert [["A", "B"], ["C", "D"], ["E"]] == list(towns.values(City.name, flat=True).paginate(2))
        assert [["C", "D"], ["E"]] == list(towns.limit_to_last(3).values(City.name, flat=True).paginate(2))
        seen: list[Any] = []
        for page in towns.limit(4).project(City.id, City.name).paginate(3):
            seen.append([(row["id"], row["name"]) for row in page])
            db.commit(Delete("cities/b"), Set("cities/0", {"displayName": "0", "population": -1}))
        assert [[("a", "A"), ("b", "B"), ("c", "C")], [("d", "D")]] == seen

    @needs(Feature.QUERIES, Feature.PROJECTIONS, Feature.PAGES)
    @pytest.mark.usefixtures("towns")
    def test_pages_of_rows_by_nested_fields(self, ctx: Any) -> None:
        query = ctx.select(City, order_by=City.mayor[Mayor.since])
        assert [["d"], ["b"]] == list(query.values(City.id, flat=True).paginate(1))
        assert [[("m", "D")], [("m", "B")]] == list(query.values(City.mayor[Mayor.name], City.name).paginate(1))

    @needs(Feature.QUERIES, Feature.PROJECTIONS)
    def test_one_unreadable_row_does_not_end_the_others(self, db: Database, towns: Any) -> None:
        db.commit(Set("cities/b", {"population": 1}), Set("cities/c", {"displayName": 5, "population": 2}))
        rows = iter(towns.values(City.name, flat=True))
        assert "A" == next(rows)
        with pytest.raises(DecodeError, match=r"cities/b.*name: expected str, found nothing"):
            next(rows)
        with pytest.raises(DecodeError, match=r"cities/c.*name: expected str, found int 5"):
            next(rows)
        assert ["D", "E"] == list(rows)
        errors: list[DecodeError] = []
        assert ["A", "D", "E"] == towns.on_error(errors.append).values(City.name, flat=True).to_list()
        assert ["cities/b", "cities/c"] == [error.path for error in errors]

    @needs(Feature.QUERIES, Feature.PROJECTIONS)
    @pytest.mark.usefixtures("towns")
    def test_rows_are_values_that_any_context_runs(self, db: Database) -> None:
        rows = Query(City, City.population > 2).values(City.name, City.population)
        assert [("D", 3), ("E", 4)] == db.context().select(copy.deepcopy(rows)).to_list()
        with pytest.raises(CendryError, match=r"ctx\.select\(rows\)"):
            rows.to_list()

    @needs(Feature.QUERIES, Feature.PROJECTIONS, Feature.TRANSACTIONS)
    def test_rows_and_figures_in_transactions(self, ctx: Any) -> None:
        parent = Ref(City, "SF")
        for number, name in enumerate("ab"):
            ctx.save(Area(id=name, name=name, rank=number), parent=parent)

        def rename(txn: Any) -> Any:
            areas = txn.select(Area, parent=parent)
            found = areas.values(Area.name, flat=True).to_list(), areas.count(up_to=1)
            txn.update(Area, "a", {Area.name: "changed"}, parent=parent)
            return found

        assert (["a", "b"], 1) == ctx.transaction(rename)
        assert ["changed", "b"] == ctx.select(Area, parent=parent).values(Area.name, flat=True).to_list()

    # --- aggregates ---

    @needs(Feature.QUERIES, Feature.COUNTS)
    def test_counting_stops_at_a_number(self, towns: Any) -> None:
        assert (3, 5, 2) == (towns.count(up_to=3), towns.count(up_to=9), towns.limit(2).count(up_to=3))
        assert (5, 3) == towns.aggregate(count(), count(up_to=3))

    @needs(Feature.QUERIES, Feature.SUMS)
    def test_sums_and_averages_of_models(self, towns: Any, ctx: Any) -> None:
        assert (10, 2.0) == (towns.sum(City.population), towns.avg(City.population))
        assert (12.0, 3.0) == (ctx.select(City).sum(City.area), ctx.select(City).avg(City.area))
        assert (3, 7) == (towns.limit(3).sum(City.population), towns.limit_to_last(2).sum(City.population))
        assert 10 == ctx.select(City).sum(City.attributes["k"])
        assert -4 == ctx.select(City).sum(City.mayor[Mayor.since])

    @needs(Feature.QUERIES, Feature.SUMS)
    def test_sums_and_averages_of_nothing(self, towns: Any) -> None:
        nothing = towns.filter(City.population == 9)
        assert (0, None) == (nothing.sum(City.population), nothing.avg(City.population))
        assert isinstance(nothing.sum(City.area), float)
        assert (0, 0, None) == nothing.aggregate(count(), City.population.sum(), City.population.avg())

    @needs(Feature.QUERIES, Feature.COUNTS, Feature.SUMS)
    @pytest.mark.usefixtures("towns")
    def test_aggregates_together_see_documents_that_have_all_their_fields(self, ctx: Any) -> None:
        every = ctx.select(City)
        assert (4, 10, 12.0) == every.aggregate(count(), City.population.sum(), City.area.sum())
        assert (5, 10) == every.aggregate(count(), City.population.sum())
        total = City.population.sum()
        result = every.aggregate(n=count(), total=total, mean=City.population.avg(), most=count(up_to=2))
        assert {"n": 5, "total": 10, "mean": 2.0, "most": 2} == dict(result)
        assert (5, 10, 10) == (result.n, result[total], result["total"])

    @needs(Feature.QUERIES, Feature.SUMS)
    def test_sums_of_what_is_no_number_and_of_large_numbers(self, db: Database, ctx: Any) -> None:
        db.commit(
            Set("cities/a", {"population": "text", "area": math.inf}),
            Set("cities/b", {"population": 2**62, "area": 1}),
            Set("cities/c", {"population": None, "area": -2.5}),
            Set("cities/d", {"population": 2**62}),
        )
        cities = ctx.select(City)
        assert (2.0**63, 2.0**62) == (cities.sum(City.population), cities.avg(City.population))
        assert (math.inf, -1.5) == (cities.sum(City.area), cities.filter(City.area < 5).sum(City.area))
