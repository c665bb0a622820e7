"""Queries through contexts."""

from __future__ import annotations

import math
import pickle
from typing import Any, cast

import pytest
from cendry import (
    CendryError,
    Comparison,
    DecodeError,
    DocumentNotFoundError,
    FieldPath,
    InvalidPageTokenError,
    InvalidRequestError,
    InvalidValueError,
    MissingIndexError,
    MultipleResultsError,
    Ref,
    get_metadata,
    ref_of,
)
from cendry.plan import Delete, Set

from .documents import NAMES_BY_SEGMENT, Area, City, Listing, Mayor, Status
from .driver import Database
from .features import Feature, needs
from .suite import Suite, in_transaction


def ids(documents: Any) -> list[str]:
    """The ids of instances."""
    return [document.id for document in documents]


class SelectConformance(Suite):
    """Queries of models."""

    @pytest.fixture
    def cities(self, db: Database, ctx: Any) -> Any:
        """Five cities with populations 0 to 4, the first two of one state; a query that orders them."""
        db.commit(
            *(
                Set(
                    f"cities/{name}",
                    {
                        "displayName": name.upper(),
                        "population": number,
                        "state": "CA" if number < 2 else "NY",
                        "status": "OPEN",
                        "mayor": {"mayor name": "m", "since": 10 - number},
                        "attributes": {"k.x": number},
                    },
                )
                for number, name in enumerate("abcde")
            )
        )
        return ctx.select(City, order_by=City.population)

    @needs(Feature.QUERIES)
    def test_iterating_gives_instances_with_metadata(self, cities: Any) -> None:
        found = list(cities)
        assert list("abcde") == ids(found)
        assert ("B", 1, Mayor(name="m", since=9)) == (found[1].name, found[1].population, found[1].mayor)
        assert "cities/b" == ref_of(found[1]).path
        assert found == cities.to_list()

    @needs(Feature.QUERIES)
    def test_filters_of_models(self, ctx: Any, cities: Any) -> None:
        assert ["a", "b"] == ids(cities.filter(City.state == "CA"))
        assert ["d", "e"] == ids(cities.filter(City.population > 2, City.status == Status.OPEN))
        assert ["c"] == ids(ctx.select(City, City.mayor[Mayor.since] == 8))
        assert ["c"] == ids(ctx.select(City, City.name.startswith("C")))
        assert [] == ids(cities.filter(City.status == Status.CLOSED))

    @needs(Feature.QUERIES, Feature.NAMES_WITH_DOTS)
    @pytest.mark.usefixtures("cities")
    def test_filters_on_keys_of_dicts(self, ctx: Any) -> None:
        assert ["d"] == ids(ctx.select(City, City.attributes["k.x"] == 3))

    @needs(Feature.QUERIES, Feature.OR)
    def test_or_of_models(self, cities: Any) -> None:
        assert ["a", "e"] == ids(cities.filter((City.population > 3) | (City.name == "A")))

    @needs(Feature.QUERIES, Feature.ID_FILTERS, Feature.IN)
    @pytest.mark.usefixtures("cities")
    def test_filters_by_id(self, ctx: Any) -> None:
        assert ["b", "d"] == ids(ctx.select(City, City.id.is_in(["b", "d", "x"])))
        assert ["d", "e"] == ids(ctx.select(City, City.id > "c"))
        assert ["b"] == ids(ctx.select(City, City.id == "b"))

    @needs(Feature.QUERIES)
    def test_first_last_one_exists(self, cities: Any) -> None:
        assert ("a", "e") == (cities.first().id, cities.last().id)
        assert "c" == cities.limit(3).last().id
        assert "C" == cities.filter(City.name == "C").one().name
        nothing = cities.filter(City.name == "?")
        assert (None, None, None) == (nothing.first(), nothing.last(), nothing.one_or_none())
        with pytest.raises(DocumentNotFoundError):
            nothing.one()
        with pytest.raises(MultipleResultsError):
            cities.one()
        assert "a" == cities.limit(1).one().id

    @needs(Feature.QUERIES)
    def test_exists_and_ids(self, cities: Any) -> None:
        assert (True, False) == (cities.exists(), cities.filter(City.name == "?").exists())
        assert list("abcde") == cities.ids()
        assert ["d", "e"] == cities.limit_to_last(2).ids()

    @needs(Feature.QUERIES, Feature.COUNTS)
    def test_count(self, cities: Any) -> None:
        assert (5, 2, 2) == (cities.count(), cities.limit(2).count(), cities.filter(City.state == "CA").count())

    @needs(Feature.QUERIES)
    def test_limit_to_last_keeps_the_order(self, cities: Any) -> None:
        assert ["d", "e"] == ids(cities.limit_to_last(2))
        assert ("d", "e") == (cities.limit_to_last(2).first().id, cities.limit_to_last(2).last().id)

    @needs(Feature.QUERIES, Feature.OFFSETS)
    def test_offsets_of_models(self, cities: Any) -> None:
        assert ["c", "d"] == ids(cities.offset(2).limit(2))
        assert "b" == cities.offset(1).first().id

    @needs(Feature.QUERIES, Feature.CURSORS)
    def test_cursors(self, cities: Any) -> None:
        assert ["d", "e"] == ids(cities.start_at({"population": 3}))
        assert ["e"] == ids(cities.start_after({City.population: 3}))
        assert ["a", "b"] == ids(cities.end_at({"population": 1}))
        assert ["a"] == ids(cities.end_before({"population": 1}))
        assert ["b", "c"] == ids(cities.limit_to_last(2).end_at({"population": 2}))

    @needs(Feature.QUERIES, Feature.CURSORS, Feature.ID_FILTERS)
    @pytest.mark.usefixtures("cities")
    def test_a_cursor_from_an_instance_skips_no_ties(self, ctx: Any) -> None:
        by_state = ctx.select(City, order_by=City.state)
        assert list("bcde") == ids(by_state.start_after(ctx.get(City, "a")))
        assert ["d", "e"] == ids(by_state.start_after(ctx.get(City, "c")))
        downwards = ctx.select(City, order_by=City.state.desc())
        assert list("dcba") == ids(downwards.start_at(ctx.get(City, "d")))
        assert ["d", "e"] == ids(ctx.select(City, start_after={"id": "c"}))

    @needs(Feature.QUERIES, Feature.PAGES)
    def test_paginate(self, cities: Any) -> None:
        assert [["a", "b"], ["c", "d"], ["e"]] == [ids(page) for page in cities.paginate(2)]
        assert [["a", "b", "c"], ["d"]] == [ids(page) for page in cities.limit(4).paginate(3)]
        assert [["c", "d"], ["e"]] == [ids(page) for page in cities.limit_to_last(3).paginate(2)]
        assert [] == list(cities.filter(City.name == "?").paginate(2))

    @needs(Feature.QUERIES, Feature.PAGES)
    @pytest.mark.usefixtures("cities")
    def test_pages_follow_each_other_whatever_comes_and_goes(self, db: Database, ctx: Any) -> None:
        seen: list[list[str]] = []
        for page in ctx.select(City, order_by=City.state).paginate(2):
            seen.append(ids(page))
            db.commit(Set("cities/0", {"displayName": "0", "state": "AA", "status": "OPEN"}), Delete("cities/d"))
        assert [["a", "b"], ["c", "e"]] == seen

    @needs(Feature.QUERIES, Feature.PAGES, Feature.SEVERAL_INEQUALITIES)
    @pytest.mark.parametrize(("first", "second"), NAMES_BY_SEGMENT)
    def test_pages_have_the_order_of_their_query(self, db: Database, ctx: Any, first: str, second: str) -> None:
        stored = [{name: -n for pair in NAMES_BY_SEGMENT for name in pair} | {first: n} for n in range(4)]
        db.commit(*(Set(f"listings/{name}", data) for name, data in zip("dbca", stored, strict=True)))
        both = [FieldPath(name) for name in (second, first)]
        query = ctx.select(Listing, *(Comparison(path, "<", 9) for path in both))
        assert list("dbca") == ids(query)
        assert ("d", "a") == (query.first().id, query.last().id)
        assert [["d", "b", "c"], ["a"]] == [ids(page) for page in query.paginate(3)]

    @needs(Feature.QUERIES)
    @pytest.mark.parametrize("value", [None, math.nan])
    def test_a_range_that_matches_nothing_is_refused(self, cities: Any, value: Any) -> None:
        assert list("abcde") == sorted(ids(cities))
        for field in (City.population, FieldPath("absent")):
            with pytest.raises(InvalidValueError):
                cities.filter(Comparison(cast("Any", field), "<", value))

    @needs(Feature.QUERIES, Feature.PAGES)
    def test_pages_with_tokens(self, db: Database, cities: Any) -> None:
        first = cities.page(2)
        assert (["a", "b"], 2, None) == (ids(first), len(first), first.previous_token)
        db.commit(Delete("cities/b"), Set("cities/0", {"displayName": "0", "population": -1, "status": "OPEN"}))
        second = cities.page(2, after=first.next_token)
        assert ["c", "d"] == ids(second)
        last = cities.page(3, after=second.next_token)
        assert (["e"], None) == (ids(last), last.next_token)
        limited = cities.limit(3)
        assert ["0", "a"] == ids(limited.page(2))
        rest = limited.page(2, after=limited.page(2).next_token)
        assert (["c"], None) == (ids(rest), rest.next_token)
        empty = cities.filter(City.name == "?").page(2)
        assert ([], None, None) == (empty.items, empty.next_token, empty.previous_token)

    @needs(Feature.QUERIES)
    def test_nothing_is_one_of_no_values(self, cities: Any) -> None:
        for nothing in (City.name.is_in([]), City.tags.array_contains_any([]), City.id.is_in([])):
            query = cities.filter(nothing)
            assert ([], [], None) == (query.to_list(), list(query), query.first())
            assert (False, 0) == (query.exists(), query.count())
        with pytest.raises(InvalidValueError, match="'not-in'"):
            cities.filter(City.name.not_in([])).to_list()

    @needs(Feature.QUERIES, Feature.PAGES, Feature.OFFSETS)
    def test_an_offset_is_skipped_before_the_first_page(self, cities: Any) -> None:
        query = cities.offset(1).limit(3)
        first = query.page(2)
        second = query.page(2, after=first.next_token)
        assert (["b", "c"], ["d"], None) == (ids(first), ids(second), second.next_token)

    @needs(Feature.QUERIES, Feature.PAGES, Feature.PROJECTIONS)
    def test_pages_of_rows(self, cities: Any) -> None:
        rows = cities.values(City.name, flat=True)
        first = rows.page(3)
        assert ["A", "B", "C"] == first.items
        assert ["D", "E"] == list(rows.page(3, after=first.next_token))

    @needs(Feature.QUERIES, Feature.PAGES)
    def test_tokens_of_other_queries_are_refused(self, cities: Any) -> None:
        token = cities.page(2).next_token
        for other in (cities.filter(City.state == "NY"), cities.order_by(City.name)):
            with pytest.raises(InvalidPageTokenError, match="another query"):
                other.page(2, after=token)
        for wrong in ("", "x", token[:-1], token + "A", "é", 5):
            with pytest.raises(InvalidPageTokenError):
                cities.page(2, after=wrong)

    @needs(Feature.QUERIES, Feature.PAGES, Feature.CURSORS)
    def test_pages_before_a_token(self, db: Database, cities: Any) -> None:
        first = cities.page(2)
        second = cities.page(2, after=first.next_token)
        db.commit(Delete("cities/c"), Delete("cities/a"))
        back = cities.page(1, before=second.previous_token)
        assert (["b"], None) == (ids(back), back.previous_token)
        assert ["d", "e"] == ids(cities.page(5, after=back.next_token))
        assert ["b"] == ids(cities.page(5, before=second.previous_token))

    @needs(Feature.QUERIES, Feature.PAGES, Feature.CURSORS, Feature.ID_FILTERS)
    def test_pages_with_tokens_among_equal_values(self, cities: Any) -> None:
        for query in (
            cities.filter(City.population < 9).order_by(City.state),
            cities.filter(City.status == Status.OPEN).order_by(City.state),
            cities.start_at({"population": 1}).end_at({"population": 3}),
            cities.limit_to_last(3),
        ):
            expected, token = ids(query), None
            met: list[str] = []
            while True:
                page = query.page(2, after=token)
                met += ids(page)
                token = page.next_token
                if token is None:
                    break
            assert expected == met
            met = ids(page)
            while page.previous_token is not None:
                page = query.page(2, before=page.previous_token)
                met[:0] = ids(page)
            assert expected == met

    @needs(Feature.QUERIES, Feature.PAGES)
    def test_a_query_begins_at_a_token(self, ctx: Any, cities: Any) -> None:
        token = cities.page(2).next_token
        for query in (cities.start_after(token), cities.start_at(token), ctx.select(cities).start_after(token)):
            assert ["c", "d", "e"] == ids(query) == query.ids()
            assert ["c", "d"] == ids(query.limit(2))
            assert [["c", "d"], ["e"]] == [ids(page) for page in query.paginate(2)]
            first = query.page(1)
            second = query.page(1, after=first.next_token)
            assert (["c"], ["d"]) == (ids(first), ids(second))
            assert ["e"] == ids(query.page(2, after=second.next_token))
            assert ("c", True) == (query.first().id, query.exists())
        for other in (cities.filter(City.state == "NY"), cities.order_by(City.name)):
            with pytest.raises(InvalidPageTokenError, match="another query"):
                other.start_after(token).to_list()
        for wrong in ("", "x", token[:-1], token + "A", "é"):
            wronged = cities.start_after(wrong)
            for run in (wronged.first, wronged.to_list, wronged.ids, wronged.exists, wronged.__iter__):
                with pytest.raises(InvalidPageTokenError):
                    run()
            with pytest.raises(InvalidPageTokenError):
                wronged.page(2)

    @needs(Feature.QUERIES, Feature.PAGES, Feature.COUNTS)
    def test_what_is_after_a_token_is_counted(self, cities: Any) -> None:
        after = cities.start_after(cities.page(2).next_token)
        assert (3, 2) == (after.count(), after.count(up_to=2))

    @needs(Feature.QUERIES, Feature.PAGES, Feature.PROJECTIONS)
    def test_rows_begin_at_a_token(self, cities: Any) -> None:
        rows = cities.start_after(cities.page(2).next_token).values(City.name, flat=True)
        assert (["C", "D", "E"], "C") == (rows.to_list(), rows.first())

    @needs(Feature.QUERIES, Feature.PAGES, Feature.TRANSACTIONS)
    def test_queries_begin_at_tokens_in_transactions(self, ctx: Any, cities: Any) -> None:
        after = cities.start_after(cities.page(3).next_token)
        assert ["d", "e"] == in_transaction(ctx, lambda txn: ids(txn.select(after)))

    @needs(Feature.QUERIES, Feature.PAGES, Feature.CURSORS, Feature.ID_FILTERS)
    def test_a_query_begins_and_ends_at_tokens(self, cities: Any) -> None:
        for query in (
            cities,
            cities.filter(City.population < 9).order_by(City.state),
            cities.filter(City.status == Status.OPEN).order_by(City.state),
            cities.start_at({"population": 1}).end_at({"population": 3}),
            cities.limit_to_last(3),
        ):
            whole = query.limit(None)
            everything = ids(whole)
            first = query.page(2)
            second = query.page(1, after=first.next_token)
            start, end = first.next_token, second.previous_token
            place = everything.index(ids(first)[-1]) + 1
            assert everything[place:] == ids(whole.start_after(start)) == ids(whole.start_at(end))
            assert everything[:place] == ids(whole.end_before(start)) == ids(whole.end_at(end))
            assert everything[:place][-1:] == ids(whole.end_at(end).limit_to_last(1))
            assert everything[place:][-1:] == ids(whole.start_after(start).limit_to_last(1))
            assert everything[place - 1] == whole.end_before(start).last().id
            assert [] == ids(whole.start_after(start).end_before(end))
            if second.next_token is not None:
                middle = whole.start_after(start).end_before(second.next_token)
                assert ids(second) == ids(middle) == middle.ids()
                assert ids(second) == ids(middle.page(5))

    @needs(Feature.QUERIES, Feature.PAGES, Feature.GROUPS)
    def test_collection_groups_begin_at_tokens(self, areas: Any) -> None:
        query = areas.select_group(Area, order_by=Area.name.desc())
        assert ["LA"] == [area.name for area in query.start_after(query.page(2).next_token)]

    @needs(Feature.QUERIES, Feature.PAGES, Feature.CURSORS, Feature.ID_FILTERS)
    @pytest.mark.usefixtures("cities")
    def test_pages_by_id_go_forwards_only(self, ctx: Any) -> None:
        query = ctx.select(City, City.id > "a")
        first = query.page(3)
        second = query.page(3, after=first.next_token)
        assert (["b", "c", "d"], ["e"], None) == (ids(first), ids(second), second.previous_token)
        with pytest.raises(MissingIndexError):
            query.page(3, before=first.next_token)

    @needs(Feature.QUERIES, Feature.PAGES, Feature.GROUPS)
    def test_pages_of_collection_groups_with_tokens(self, areas: Any) -> None:
        query = areas.select_group(Area, order_by=Area.name.desc())
        first = query.page(2)
        second = query.page(2, after=first.next_token)
        assert [["only", "SF"], ["LA"]] == [[area.name for area in page] for page in (first, second)]
        assert ["only", "SF"] == [area.name for area in query.page(2, before=second.previous_token)]

    @needs(Feature.QUERIES, Feature.PAGES, Feature.TRANSACTIONS)
    def test_pages_with_tokens_in_transactions(self, ctx: Any, cities: Any) -> None:
        token = cities.page(3).next_token
        assert ["d", "e"] == in_transaction(ctx, lambda txn: ids(txn.select(cities).page(3, after=token)))

    @needs(Feature.QUERIES, Feature.PROJECTIONS)
    def test_project(self, cities: Any) -> None:
        rows = cities.filter(City.population < 2).project(City.name, "status", City.mayor[Mayor.since])
        assert [
            {"id": "a", "name": "A", "status": Status.OPEN, "mayor.since": 10},
            {"id": "b", "name": "B", "status": Status.OPEN, "mayor.since": 9},
        ] == list(rows)
        [stored] = cities.limit(1).project(FieldPath("attributes", "k.x"))
        assert [0] == [value for name, value in stored.items() if name != "id"]

    @needs(Feature.QUERIES)
    def test_a_query_can_be_run_again_and_by_another_context(self, db: Database, cities: Any) -> None:
        query = cities.filter(City.state == "CA")
        assert ["a", "b"] == ids(query) == ids(query) == ids(db.context().select(query))

    @needs(Feature.QUERIES)
    def test_one_unreadable_document_does_not_end_the_others(self, db: Database, cities: Any) -> None:
        db.commit(Set("cities/b", {"displayName": 5, "population": 1}))
        documents = iter(cities)
        assert "a" == next(documents).id
        with pytest.raises(DecodeError, match="cities/b"):
            next(documents)
        assert ["c", "d", "e"] == ids(documents)
        errors: list[DecodeError] = []
        assert ["a", "c", "d", "e"] == ids(cities.on_error(errors.append))
        assert ["cities/b"] == [error.path for error in errors]

    @needs(Feature.QUERIES)
    def test_a_stream_can_be_left(self, cities: Any) -> None:
        documents = iter(cities)
        assert "a" == next(documents).id
        documents.close()
        assert [] == list(documents)

    @pytest.fixture
    def areas(self, ctx: Any) -> Any:
        """Areas with one id below two cities."""
        for city in ("LA", "SF"):
            ctx.save(Area(id="x", name=city, rank=len(city)), parent=Ref(City, city))
        ctx.save(Area(id="y", name="only", rank=5), parent=Ref(City, "SF"))
        return ctx

    @needs(Feature.QUERIES)
    def test_subcollections(self, areas: Any) -> None:
        assert ["x", "y"] == ids(areas.select(Area, parent=Ref(City, "SF")))
        assert ["x"] == ids(areas.select(Area).under(City(id="LA", name="n")))
        with pytest.raises(CendryError, match="subcollection"):
            areas.select(Area).to_list()

    @needs(Feature.QUERIES, Feature.GROUPS)
    def test_collection_groups_of_models(self, areas: Any) -> None:
        found = areas.select_group(Area).to_list()
        paths = ["cities/LA/areas/x", "cities/SF/areas/x", "cities/SF/areas/y"]
        assert paths == [get_metadata(area).path for area in found]
        assert ["x", "y"] == ids(areas.select_group(Area, parent=Ref(City, "SF")))
        areas.update(found[0], {Area.rank: 9})
        assert ["LA"] == [area.name for area in areas.select_group(Area, Area.rank > 5)]

    @needs(Feature.QUERIES, Feature.GROUPS, Feature.CURSORS, Feature.ID_FILTERS)
    def test_pages_of_collection_groups(self, areas: Any) -> None:
        pages = areas.select_group(Area, order_by="id").paginate(2)
        assert [["LA", "SF"], ["only"]] == [[area.name for area in page] for page in pages]

    @needs(Feature.QUERIES, Feature.TRANSACTIONS)
    @pytest.mark.usefixtures("cities")
    def test_queries_in_transactions(self, ctx: Any) -> None:
        def close_all(txn: Any) -> list[str]:
            found = txn.select(City, City.state == "CA").to_list()
            for city in found:
                txn.update(city, {City.status: Status.CLOSED})
            return ids(found)

        assert ["a", "b"] == ctx.transaction(close_all)
        assert ["a", "b"] == ids(ctx.select(City, City.status == Status.CLOSED))

    # --- partitions ---

    @needs(Feature.QUERIES, Feature.GROUPS)
    @pytest.mark.parametrize("count", [1, 2, 3, 7, 100])
    def test_partitions_are_the_whole_without_overlap(self, db: Database, ctx: Any, count: int) -> None:
        homes = ["cities/a", "cities/a/areas/x/more/y", "cities/b", "cities/__id7__", "cities/é"]
        paths = {f"{home}/areas/{name}" for home in homes for name in ("p", "q", "__id12__", "__id9__")}
        db.commit(*(Set(path, {"name": path}) for path in paths))
        group = ctx.select_group(Area)
        parts = group.partitions(count)
        assert 1 <= len(parts) <= count
        assert group.ids() == [path for part in parts for path in part.ids()]
        assert paths == set(group.ids())
        # What another worker does, in either twin.
        sent = pickle.loads(pickle.dumps([getattr(part, "_target", part) for part in parts]))  # noqa: S301
        assert group.ids() == [path for part in sent for path in ctx.select(part).ids()]
        assert sum(part.count() for part in parts) == len(paths) == len({area.name for part in parts for area in part})
        assert sorted(paths) == sorted(name for part in parts for name in part.values(Area.name, flat=True))

    @needs(Feature.QUERIES, Feature.GROUPS)
    def test_what_cant_be_divided_is_one_part(self, ctx: Any) -> None:
        parent = Ref(City, "a")
        ctx.save_many([Area(id=name, name=name) for name in "pqrs"], parent=parent)
        group = ctx.select_group(Area)
        queries = [
            ctx.select(Area, parent=parent),
            group.under(parent),
            group.filter(Area.name >= "p"),
            group.order_by(Area.name),
            group.limit(9),
            group.offset(1),
            group.start_at({"id": "cities/a/areas/p"}),
            group.end_at({"id": "cities/a/areas/s"}),
        ]
        for query in queries:
            [part] = query.partitions(3)
            assert repr(query) == repr(part)
            assert query.ids() == part.ids() != []
        [none] = group.filter(Area.name.is_in([])).partitions(3)
        assert [] == none.ids()
        assert sorted(group.ids()) == [path for part in group.order_by(Area.id).partitions(3) for path in part.ids()]
        assert [[]] == [part.ids() for part in ctx.select_group(City, parent=parent).partitions(3)]

    @needs(Feature.QUERIES, Feature.GROUPS)
    def test_bad_numbers_of_partitions(self, ctx: Any) -> None:
        for query in (ctx.select(City), ctx.select_group(City)):
            for count in (0, -1, True, 2.0, None):
                with pytest.raises((TypeError, ValueError), match="partitions takes"):
                    query.partitions(count)
            with pytest.raises(InvalidRequestError, match="partitions takes at most 2147483647"):
                query.partitions(2**31)
