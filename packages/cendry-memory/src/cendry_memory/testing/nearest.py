"""Search by vector, through contexts and by plans."""

from __future__ import annotations

import copy
import math
from typing import Any, Final

import pytest
from cendry import (
    CendryError,
    DecodeError,
    DocumentNotFoundError,
    FieldPath,
    InvalidRequestError,
    InvalidValueError,
    MultipleResultsError,
    Neighbor,
    Query,
    UnknownFieldError,
    ValidationError,
    Vector,
    get_metadata,
    ref_of,
)
from cendry.paths import DOCUMENT_ID
from cendry.plan import Bound, Nearest, Order, QueryPlan, Set

from .documents import Area, City, Note
from .driver import Database
from .features import Feature, needs
from .suite import Suite

_V: Final = FieldPath("v")
_EAST: Final = Vector([1, 0])
_SEARCH: Final[Any] = Nearest(_V, _EAST, 1, "cosine")
_NAN, _INF = math.nan, math.inf


def _near(found: Any) -> list[tuple[str, Any]]:
    return [(each.document.id, pytest.approx(each.distance, rel=1e-12, abs=1e-12, nan_ok=True)) for each in found]


def _ids(found: Any) -> list[str]:
    return [each.document.id for each in found]


def _paths(found: Any) -> list[str]:
    return [get_metadata(each.document).path for each in found]


class NearestConformance(Suite):
    """The documents with the nearest vectors."""

    @pytest.fixture
    def notes(self, db: Database, ctx: Any) -> Any:
        """Six notes around the origin, and some that can't be found; a query on them."""
        around = {"east": [1, 0], "north": [0, 1], "far": [0, 9], "west": [-1, 0], "origin": [0, 0], "also": [0, 1]}
        for rank, (name, components) in enumerate(around.items()):
            topic = "a" if rank % 2 else "b"
            ctx.save(Note(id=name, topic=topic, rank=rank, embedding=Vector(components)))
        ctx.save(Note(id="none", topic="a"))
        db.commit(
            Set("notes/absent", {"topic": "a"}),
            Set("notes/list", {"em bedding": [1.0, 0.0]}),
            Set("notes/longer", {"em bedding": Vector([1, 0, 0])}),
        )
        return ctx.select(Note)

    # --- distances and order ---

    @needs(Feature.NEAREST)
    def test_euclidean_distances(self, notes: Any) -> None:
        found = notes.find_nearest(Note.embedding, _EAST, limit=10, distance="euclidean").to_list()
        root = math.sqrt(2)
        expected = [("east", 0), ("origin", 1), ("also", root), ("north", root), ("west", 2), ("far", math.sqrt(82))]
        assert expected == _near(found)
        assert Neighbor(Note(id="east", topic="b", embedding=_EAST), 0.0) == found[0]
        assert (Neighbor, float) == (type(found[0]), type(found[0].distance))

    @needs(Feature.NEAREST)
    def test_cosine_distances(self, notes: Any) -> None:
        found = notes.find_nearest(Note.embedding, [2, 0], limit=10).to_list()
        expected = [("east", 0), ("also", 1), ("far", 1), ("north", 1), ("west", 2), ("origin", _NAN)]
        assert expected == _near(found)

    @needs(Feature.NEAREST)
    def test_dot_products_are_larger_for_nearer_vectors(self, notes: Any) -> None:
        found = notes.find_nearest(Note.embedding, [1, 2], limit=10, distance="dot_product").to_list()
        expected = [("far", 18), ("also", 2), ("north", 2), ("east", 1), ("origin", 0), ("west", -1)]
        assert expected == _near(found)

    @needs(Feature.NEAREST)
    def test_at_one_distance_the_order_of_the_query_decides(self, notes: Any) -> None:
        by_rank = notes.order_by(Note.rank).find_nearest(Note.embedding, _EAST, limit=10)
        assert ["east", "north", "far", "also", "west", "origin"] == _ids(by_rank)
        backwards = notes.order_by(Note.rank.desc()).find_nearest(Note.embedding, [0, 0], limit=10)
        assert ["also", "origin", "west", "far", "north", "east"] == _ids(backwards)
        above = notes.filter(Note.rank > 0).find_nearest(Note.embedding, _EAST, limit=10, distance="dot_product")
        assert ["north", "far", "origin", "also", "west"] == _ids(above)

    @needs(Feature.NEAREST)
    def test_the_limit_takes_the_nearest(self, notes: Any) -> None:
        assert ["east", "origin"] == _ids(notes.find_nearest(Note.embedding, _EAST, limit=2, distance="euclidean"))
        assert ["far"] == _ids(notes.find_nearest(Note.embedding, [0, 1], limit=1, distance="dot_product"))

    @needs(Feature.NEAREST)
    def test_the_threshold_is_part_of_what_is_found(self, notes: Any) -> None:
        def found(distance: str, threshold: float) -> list[str]:
            rows = notes.find_nearest(Note.embedding, _EAST, limit=10, distance=distance, threshold=threshold)
            return _ids(rows)

        assert ["east", "origin"] == found("euclidean", 1)
        assert ["east"] == found("euclidean", 0.0)
        assert [] == found("euclidean", -1)
        assert ["east", "also", "far", "north"] == found("cosine", 1)
        assert ["east", "also", "far", "north", "west"] == found("cosine", 5)
        assert ["east"] == found("dot_product", 0.5)
        assert ["east", "also", "far", "north", "origin"] == found("dot_product", 0)

    @needs(Feature.NEAREST)
    def test_what_can_not_be_measured_is_last_and_for_products_first(self, db: Database) -> None:
        stored: dict[str, list[float]] = {
            "big": [1e200, 1e200],
            "small": [1e-170, 0],
            "less": [-1e-170, 0],
            "inf": [_INF, 0],
            "unit": [1, 0],
        }
        db.commit(*(Set(f"odd/{name}", {"v": Vector(components)}) for name, components in stored.items()))

        def found(components: list[float], distance: Any, threshold: float | None = None) -> list[tuple[str, Any]]:
            results: Any = db.run(QueryPlan("odd", nearest=Nearest(_V, Vector(components), 9, distance, threshold)))
            return [(each.path[4:], pytest.approx(each.distance, abs=1e-12, nan_ok=True)) for each in results]

        expected = [("less", 1), ("small", 1), ("unit", math.sqrt(2)), ("big", _INF), ("inf", _INF)]
        assert expected == found([0, 1], "euclidean")
        expected = [("big", 1.0), ("less", _NAN), ("small", _NAN), ("inf", _NAN), ("unit", 1.0)]
        assert sorted(expected) == sorted(found([0, 1], "cosine"), key=lambda each: each[0])
        assert [("small", -_INF), ("unit", 0), ("big", 1), ("less", _INF), ("inf", _NAN)] == found([1, 0], "cosine")
        assert [("inf", _NAN), ("big", 1e200), ("less", 0), ("small", 0), ("unit", 0)] == found([0, 1], "dot_product")
        # NaN counts as larger than every threshold.
        assert [("inf", _NAN), ("big", 1e200)] == found([0, 1], "dot_product", 1)
        assert [("small", -_INF), ("unit", 0)] == found([1, 0], "cosine", 0.5)

    # --- among which documents ---

    @needs(Feature.NEAREST)
    def test_filters_say_among_which(self, notes: Any) -> None:
        def found(*filters: Any) -> list[str]:
            return _ids(notes.filter(*filters).find_nearest(Note.embedding, _EAST, limit=3, distance="euclidean"))

        assert ["also", "north", "west"] == found(Note.topic == "a")
        assert ["origin", "also", "west"] == found(Note.rank >= 3)
        assert ["east", "north"] == found((Note.rank == 1) | (Note.rank == 0))
        assert ["origin", "west"] == found(Note.id.is_in(["west", "origin", "none"]))
        assert [] == found(Note.topic == "?")
        assert [] == found(Note.rank.is_in([]))

    @needs(Feature.NEAREST, Feature.GROUPS)
    def test_parents_and_groups_say_among_which(self, db: Database, ctx: Any) -> None:
        paths = ["cities/a/areas/x", "cities/a/areas/y", "cities/b/areas/x", "areas/z", "cities/a/areas/y/areas/x"]
        db.commit(*(Set(path, {"name": path, "v": Vector([1, place])}) for place, path in enumerate(paths)))
        below = ctx.select(Area, parent=City(id="a", name="a")).find_nearest(FieldPath("v"), _EAST, limit=9)
        assert ["x", "y"] == _ids(below)
        group = ctx.select_group(Area).find_nearest(FieldPath("v"), [0, 0], limit=9, distance="euclidean")
        assert paths == _paths(group)
        tied = ctx.select_group(Area).find_nearest(FieldPath("v"), [0, 0], limit=9, distance="dot_product")
        assert sorted(paths) == _paths(tied)
        inside = ctx.select_group(Area).under(City(id="a", name="a")).find_nearest(FieldPath("v"), _EAST, limit=2)
        assert paths[:2] == _paths(inside)

    @needs(Feature.NEAREST, Feature.READ_TIMES, Feature.TIMES)
    def test_at_a_moment(self, ctx: Any, notes: Any) -> None:
        east = ctx.get(Note, "east")
        moment = get_metadata(east).read_time
        ctx.delete(east)
        nearest = notes.find_nearest(Note.embedding, _EAST, limit=1)
        assert ["also"] == _ids(nearest)
        assert ["east"] == _ids(notes.at(moment).find_nearest(Note.embedding, _EAST, limit=1))

    @needs(Feature.NEAREST, Feature.TRANSACTIONS)
    @pytest.mark.usefixtures("notes")
    def test_in_transactions(self, ctx: Any) -> None:
        def merge(txn: Any) -> float:
            nearest = txn.select(Note).find_nearest(Note.embedding, [0, 5], limit=1, distance="euclidean").one()
            txn.update(nearest.document, {Note.topic: "merged"})
            return float(nearest.distance)

        assert 4.0 == ctx.transaction(merge)
        assert "merged" == ctx.get(Note, "also").topic or "merged" == ctx.get(Note, "far").topic

        def look(txn: Any) -> list[str]:
            return _ids(txn.select(Note).find_nearest(Note.embedding, _EAST, limit=2).to_list())

        assert ["east", "also"] == ctx.transaction(look, read_only=True)

    # --- rows ---

    @needs(Feature.NEAREST)
    def test_first_and_one(self, notes: Any) -> None:
        rows = notes.find_nearest("embedding", _EAST, limit=5, distance="euclidean")
        assert [("east", 0)] == _near([rows.first()])
        assert ["east", "origin", "also", "north", "west"] == _ids(rows) == _ids(rows.to_list())
        with pytest.raises(MultipleResultsError):
            rows.one()
        only = notes.find_nearest(Note.embedding, _EAST, limit=1)
        assert ["east", "east"] == _ids([only.one(), only.one_or_none()])
        nothing = notes.filter(Note.topic == "?").find_nearest(Note.embedding, _EAST, limit=1)
        assert [None, None, []] == [nothing.first(), nothing.one_or_none(), list(nothing)]
        with pytest.raises(DocumentNotFoundError):
            nothing.one()

    @needs(Feature.NEAREST)
    @pytest.mark.usefixtures("notes")
    def test_the_rows_are_values_that_any_context_runs(self, db: Database) -> None:
        rows = Query(Note, Note.topic == "a").find_nearest(Note.embedding, _EAST, limit=1, threshold=1)
        assert ["also"] == _ids(db.context().select(copy.deepcopy(rows)).to_list())
        with pytest.raises(CendryError, match=r"ctx\.select\(rows\)"):
            rows.to_list()

    @needs(Feature.NEAREST)
    def test_last_and_pages_are_refused(self, notes: Any) -> None:
        rows = notes.find_nearest(Note.embedding, _EAST, limit=3)
        for refused in (rows.last, lambda: rows.page(2), lambda: list(rows.paginate(2))):
            with pytest.raises(CendryError, match=r"last\(\), page\(\) and paginate\(\)"):
                refused()

    @needs(Feature.NEAREST)
    def test_an_unreadable_neighbor_does_not_end_the_others(self, db: Database, notes: Any) -> None:
        db.commit(
            Set("notes/bad", {"em bedding": _EAST, "topic": 5}), Set("notes/extra", {"em bedding": _EAST, "x": 1})
        )
        rows = iter(notes.find_nearest(Note.embedding, _EAST, limit=4))
        with pytest.raises(DecodeError, match=r"notes/bad.*topic"):
            next(rows)
        assert "east" == next(rows).document.id
        errors: list[DecodeError] = []
        found = notes.on_error(errors.append).find_nearest(Note.embedding, _EAST, limit=4).to_list()
        assert (["east", "also"], ["notes/bad", "notes/extra"]) == (_ids(found), [error.path for error in errors])

    @needs(Feature.NEAREST)
    def test_a_stored_distance_stays_as_it_is(self, db: Database, ctx: Any) -> None:
        own = {"distance": 0.5, "cendry_distance": "own", "topic": "", "rank": 0, "em bedding": Vector([1, 1])}
        db.commit(Set("notes/own", own))
        [found] = ctx.select(Note).find_nearest(Note.embedding, _EAST, limit=1, distance="euclidean").to_list()
        assert (1.0, 0.5, "own") == (found.distance, found.document.distance, found.document.own_distance)
        assert ("notes/own", "notes/own") == (get_metadata(found.document).path, ref_of(found.document).path)
        ctx.save(found.document)
        assert own == db.data("notes/own")
        [result] = db.run(QueryPlan("notes", nearest=Nearest(FieldPath("em bedding"), _EAST, 1, "euclidean")))
        assert own == result.data

    # --- what is refused ---

    @needs(Feature.VECTORS)
    def test_a_vector_of_another_dimension_than_declared_is_not_written(self, db: Database, ctx: Any) -> None:
        with pytest.raises(ValidationError, match="expected Vector of 2 dimensions, found one of 3"):
            ctx.save(Note(id="a", embedding=Vector([1, 2, 3])))
        ctx.save(Note(id="a", embedding=_EAST))
        with pytest.raises(InvalidValueError, match="found one of 1"):
            ctx.update(Note, "a", {Note.embedding: Vector([1])})
        ctx.update(Note, "a", {Note.embedding: None})
        db.commit(Set("notes/a", {"em bedding": Vector([1, 2, 3])}))
        assert Vector([1, 2, 3]) == ctx.get(Note, "a").embedding

    def test_what_can_not_be_searched_for_is_refused(self, ctx: Any) -> None:
        notes = ctx.select(Note)
        for vector in ([1], [1, 2, 3], [], [1, _NAN], [_INF, 0]):
            with pytest.raises(InvalidValueError, match=r"Note\.embedding: expected a vector of"):
                notes.find_nearest(Note.embedding, vector, limit=1)
        for limit in (0, -1, 1001):
            with pytest.raises(InvalidRequestError, match="from 1 to 1000"):
                notes.find_nearest(Note.embedding, _EAST, limit=limit)
        with pytest.raises(InvalidRequestError, match="'dot_product', not 'manhattan'"):
            notes.find_nearest(Note.embedding, _EAST, limit=1, distance="manhattan")
        with pytest.raises(InvalidRequestError, match="finite"):
            notes.find_nearest(Note.embedding, _EAST, limit=1, threshold=_INF)
        with pytest.raises(InvalidValueError, match="a field of vectors"):
            notes.find_nearest(Note.topic, _EAST, limit=1)
        with pytest.raises(UnknownFieldError, match="embedding"):
            notes.find_nearest("embeding", _EAST, limit=1)
        for query in (notes.limit(1), notes.limit_to_last(1), notes.offset(1), notes.start_at({"rank": 1})):
            with pytest.raises(InvalidRequestError, match="nothing was sent"):
                query.find_nearest(Note.embedding, _EAST, limit=1)

    @needs(Feature.NEAREST, Feature.LIMITS)
    @pytest.mark.parametrize(
        "plan",
        [
            {"nearest": Nearest(_V, _EAST, 0, "cosine")},
            {"nearest": Nearest(_V, _EAST, 1001, "cosine")},
            {"nearest": Nearest(_V, Vector([]), 1, "cosine")},
            {"nearest": Nearest(_V, Vector([0.0] * 2049), 1, "cosine")},
            {"nearest": Nearest(_V, _EAST, 1, "cosine", _INF)},
            {"nearest": Nearest(_V, _EAST, 1, "cosine", _NAN)},
            {"limit": 5},
            {"offset": 1},
            {"orders": (Order(FieldPath("n")),), "start": Bound((1,), before=True)},
            {"orders": (Order(FieldPath("n")),), "end": Bound((1,), before=True)},
        ],
    )
    def test_searches_that_the_database_refuses(self, db: Database, plan: dict[str, Any]) -> None:
        db.commit(Set("odd/a", {"v": _EAST, "n": 1}))
        with pytest.raises(InvalidRequestError):
            db.run(QueryPlan("odd", **{"nearest": _SEARCH, **plan}))

    @needs(Feature.NEAREST)
    def test_searches_that_find_nothing(self, db: Database) -> None:
        db.commit(Set("odd/a", {"v": _EAST}))
        for path, vector in ((DOCUMENT_ID, _EAST), (FieldPath("w"), _EAST), (_V, Vector([0.0] * 2048))):
            assert [] == db.run(QueryPlan("odd", nearest=Nearest(path, vector, 9, "cosine")))
        assert [] == db.run(QueryPlan("none", nearest=Nearest(_V, _EAST, 9, "cosine")))
