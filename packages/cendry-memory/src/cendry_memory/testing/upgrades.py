"""Versions of models: what reads make of documents that were stored by an older or a newer one."""

from __future__ import annotations

from typing import Any, Final

import pytest
from cendry import DecodeError, Field, Model, Neighbor, Ref, Vector, field, get_metadata, upgrade
from cendry._model.metadata import upgraded
from cendry._types.evolutions import Upgraded
from cendry.plan import Set

from .driver import Database
from .features import Feature, needs
from .suite import Suite, in_transaction


class Town(Model, collection="towns", version=3):
    """A model that has changed twice: `title` became `name`, and `rank` counts from one."""

    name: Field[str]
    rank: Field[int] = field(default=1)
    place: Field[Vector | None] = field(default=None)
    twin: Field[Ref[Town] | None] = field(default=None)


@upgrade(Town, to=2)
def rename_title(data: dict[str, Any]) -> dict[str, Any]:
    """The first change."""
    return {**{name: value for name, value in data.items() if name != "title"}, "name": data["title"]}


@upgrade(Town, to=3)
def count_from_one(data: dict[str, Any]) -> dict[str, Any]:
    """The second change."""
    return {**data, "rank": data.get("rank", 0) + 1}


class KeptTown(Model, collection="towns", version=2, oldest=2, extra="keep"):
    """The version before, as it is released ahead of the newer one."""

    name: Field[str]


class StrictTown(Model, collection="towns", version=3, oldest=3, extra="forbid"):
    """A model that reads its own version alone, and nothing that it doesn't know."""

    name: Field[str]
    rank: Field[int]


class Shape(Model, collection="shapes", tag_field="kind", version=2, version_field="v"):
    """Models of one collection, whose tags were stored under another name."""

    size: Field[int]


class Circle(Shape, tag="circle"):
    """One of them."""


class Square(Shape, tag="square"):
    """Another one."""


@upgrade(Shape, to=2)
def move_tag(data: dict[str, Any]) -> dict[str, Any]:
    """The change."""
    return {"size": data["size"], "kind": data["type"]}


_OLD: Final = {"title": "A", "rank": 4}
_SECOND: Final = {"name": "B", "rank": 1, "_cendry_version": 2}
_CURRENT: Final = {"name": "C", "rank": 3, "_cendry_version": 3}
_TOWNS: Final = (Town(id="a", name="A", rank=5), Town(id="b", name="B", rank=2), Town(id="c", name="C", rank=3))


class UpgradeConformance(Suite):
    """Documents of several versions."""

    @pytest.fixture
    def of_each_version(self, db: Database) -> None:
        """A document of each version."""
        db.commit(Set("towns/a", dict(_OLD)), Set("towns/b", dict(_SECOND)), Set("towns/c", dict(_CURRENT)))

    @pytest.mark.usefixtures("of_each_version")
    def test_documents_of_all_versions_are_read_by_id(self, ctx: Any) -> None:
        assert list(_TOWNS) == [ctx.get(Town, name) for name in "abc"] == [ctx.find(Town, name) for name in "abc"]
        assert list(_TOWNS) == ctx.get_many(Town, ["a", "b", "c"]) == ctx.get_many([Ref(Town, name) for name in "abc"])
        assert [*_TOWNS, None] == ctx.find_many(Town, ["a", "b", "c", "d"])

    @pytest.mark.usefixtures("of_each_version")
    def test_instances_remember_what_was_upgraded(self, ctx: Any) -> None:
        first, second, third = ctx.get_many(Town, ["a", "b", "c"])
        assert Upgraded(1, frozenset({"title"}), frozenset({"title", "name", "rank"})) == upgraded(first)
        assert Upgraded(2, frozenset(), frozenset({"rank"})) == upgraded(second)
        assert None is upgraded(third)

    @pytest.mark.usefixtures("of_each_version")
    def test_refresh_reads_the_version_that_is_stored_now(self, db: Database, ctx: Any) -> None:
        first = ctx.get(Town, "a")
        db.commit(Set("towns/a", dict(_CURRENT)))
        ctx.refresh(first)
        assert ("C", None) == (first.name, upgraded(first))
        db.commit(Set("towns/a", dict(_SECOND)))
        ctx.refresh(first)
        assert (2, Upgraded(2, frozenset(), frozenset({"rank"}))) == (first.rank, upgraded(first))

    @needs(Feature.QUERIES)
    @pytest.mark.usefixtures("of_each_version")
    def test_documents_of_all_versions_are_found_by_queries(self, ctx: Any) -> None:
        query = ctx.select(Town)
        assert list(_TOWNS) == query.to_list() == list(query)
        assert (_TOWNS[0], list(_TOWNS[:2])) == (query.first(), query.limit(2).to_list())
        # Filters and orders see what is stored.
        assert [_TOWNS[2], _TOWNS[0]] == query.filter(Town.rank > 2).order_by(Town.rank).to_list()
        assert [_TOWNS[1]] == query.filter(Town.name == "B").to_list()

    @needs(Feature.QUERIES, Feature.PAGES)
    @pytest.mark.usefixtures("of_each_version")
    def test_documents_of_all_versions_are_in_pages(self, ctx: Any) -> None:
        pages = [list(page) for page in ctx.select(Town).paginate(2)]
        assert [list(_TOWNS[:2]), [_TOWNS[2]]] == pages

    @needs(Feature.TRANSACTIONS)
    @pytest.mark.usefixtures("of_each_version")
    def test_documents_of_all_versions_are_read_in_transactions(self, ctx: Any) -> None:
        assert list(_TOWNS) == in_transaction(ctx, lambda txn: txn.get_many(Town, ["a", "b", "c"]))

    def test_references_to_old_documents_are_followed(self, db: Database, ctx: Any) -> None:
        db.commit(Set("towns/a", dict(_OLD)), Set("towns/c", {**_CURRENT, "twin": Ref(Town, "a")}))
        twin = ctx.get(Town, "c")
        assert {Ref(Town, "a"): _TOWNS[0]} == ctx.fetch_refs([twin], Town.twin)

    @needs(Feature.QUERIES, Feature.NEAREST)
    def test_old_documents_are_found_by_vector(self, db: Database, ctx: Any) -> None:
        db.commit(Set("towns/a", {**_OLD, "place": Vector([1, 0])}))
        [found] = ctx.select(Town).find_nearest(Town.place, [1.0, 0.0], limit=1, distance="euclidean").to_list()
        assert Neighbor(Town(id="a", name="A", rank=5, place=Vector([1, 0])), 0.0) == found

    @needs(Feature.QUERIES, Feature.LISTENERS)
    def test_listeners_get_old_documents_upgraded(self, db: Database, ctx: Any) -> None:
        db.commit(Set("towns/a", dict(_OLD)))
        snapshots = ctx.select(Town).snapshots()
        assert (_TOWNS[0],) == next(snapshots).documents
        db.commit(Set("towns/b", dict(_SECOND)))
        assert _TOWNS[:2] == next(snapshots).documents
        snapshots.close()

    @needs(Feature.QUERIES, Feature.PROJECTIONS)
    @pytest.mark.usefixtures("of_each_version")
    def test_some_fields_of_an_old_document_can_not_be_upgraded(self, ctx: Any) -> None:
        errors: list[DecodeError] = []
        rows = ctx.select(Town, on_error=errors.append).values(Town.rank, flat=True)
        assert [3] == rows.to_list()
        assert [("towns/a", "version 1"), ("towns/b", "version 2")] == [(each.path, each.found) for each in errors]
        with pytest.raises(DecodeError, match=r"^Document 'towns/a' is of version 1, and Town of version 3"):
            ctx.select(Town).project(Town.name).to_list()

    @needs(Feature.QUERIES)
    @pytest.mark.usefixtures("of_each_version")
    def test_ids_have_no_version(self, ctx: Any) -> None:
        assert list("abc") == ctx.select(Town).ids() == ctx.select(Town).values(Town.id, flat=True).to_list()

    @pytest.mark.usefixtures("of_each_version")
    def test_newer_documents_are_read_by_models_that_keep_what_they_do_not_know(self, ctx: Any) -> None:
        kept = ctx.get(KeptTown, "c")
        assert (KeptTown(id="c", name="C"), Upgraded(3)) == (kept, upgraded(kept))
        assert None is upgraded(ctx.get(KeptTown, "b"))
        with pytest.raises(DecodeError, match=r"^Document 'towns/a' is of version 1, and KeptTown declares oldest=2"):
            ctx.get(KeptTown, "a")

    @pytest.mark.parametrize("version", [4, 0, -1, True, "3", 3.0, None])
    def test_documents_of_other_versions_are_refused(self, db: Database, ctx: Any, version: Any) -> None:
        db.commit(Set("towns/a", {**_CURRENT, "_cendry_version": version}))
        for model in (Town, StrictTown):
            with pytest.raises(DecodeError) as caught:
                ctx.get(model, "a")
            assert ("towns/a", "_cendry_version") == (caught.value.path, caught.value.field)

    def test_the_version_is_not_an_undeclared_field(self, db: Database, ctx: Any) -> None:
        db.commit(Set("towns/a", dict(_CURRENT)), Set("towns/b", {**_CURRENT, "other": 1}))
        assert StrictTown(id="a", name="C", rank=3) == ctx.get(StrictTown, "a")
        with pytest.raises(DecodeError, match="found the key 'other'"):
            ctx.get(StrictTown, "b")

    def test_tagged_documents_are_upgraded_before_their_class_is_known(self, db: Database, ctx: Any) -> None:
        db.commit(
            Set("shapes/a", {"size": 1, "type": "circle"}),
            Set("shapes/b", {"size": 2, "kind": "square", "v": 2}),
        )
        found = ctx.get_many(Shape, ["a", "b"])
        assert [Circle(id="a", size=1), Square(id="b", size=2)] == found
        assert None is ctx.find(Square, "a")

    @needs(Feature.TIMES)
    @pytest.mark.usefixtures("of_each_version")
    def test_upgraded_instances_have_the_times_of_their_documents(self, db: Database, ctx: Any) -> None:
        [stored] = db.get("towns/a")
        known = get_metadata(ctx.get(Town, "a"))
        assert (stored.path, stored.update_time) == (known.path, known.update_time)
