"""Ids, names and keys from outside: refused, or taken for the text that they are, whatever their class makes of it."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, Final, SupportsIndex, cast

import pytest
from cendry import (
    CendryError,
    Field,
    FieldPath,
    InvalidDocumentIdError,
    Map,
    Model,
    Ref,
    ValidationError,
    field,
    from_dict,
    to_dict,
)
from cendry.plan import Delete, GetPlan, QueryPlan, Set, Update

from .documents import Area, City
from .driver import Database
from .features import Feature, needs
from .suite import Suite


class Code(str, Enum):
    """Text as an enum, as it was written before `StrEnum`: its format is not its value."""

    SF = "SF"
    LA = "LA"
    CITIES = "coded"
    NAME = "name"
    STORED = "stored name"
    KEY = "k.x"
    EQUALS = "=="

    def __format__(self, format_spec: str) -> str:  # pragma: no cover - as of `Odd`
        return f"elsewhere/{self._name_}"

    __str__ = cast("Any", __format__)


class Odd(str):  # pragma: no cover - what passes never asks it, so its answers are given to nobody
    """Text that answers every question wrongly."""

    __slots__ = ()

    def __contains__(self, other: object) -> bool:
        return False

    def __eq__(self, other: object) -> bool:
        return True

    def __ne__(self, other: object) -> bool:
        return False

    def __hash__(self) -> int:
        return hash("SF")

    def __len__(self) -> int:
        return 2

    def __str__(self) -> str:
        return "elsewhere/SF"

    def __format__(self, format_spec: str) -> str:
        return "elsewhere/SF"

    def __repr__(self) -> str:
        return "'elsewhere/SF'"

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:  # noqa: ARG002
        return b"SF"

    def split(self, sep: str | None = None, maxsplit: SupportsIndex = -1) -> list[str]:  # noqa: ARG002
        return ["cities", "SF"]

    def startswith(self, *_: Any) -> bool:
        return False


class Planned(str, Enum):
    """Text as an enum, as a plan may hold it."""

    DOCUMENT = "kept/a"
    COLLECTION = "below"

    def __format__(self, format_spec: str) -> str:  # pragma: no cover - as of `Odd`
        return "elsewhere/a"


class Part(Map):
    """A map below a name that is given as an enum."""

    name: Field[str] = field(default="", alias=cast("str", Code.STORED))


class Coded(Model, collection=cast("str", Code.CITIES)):
    """A document whose names are given as enums."""

    name: Field[str] = field(default="", alias=cast("str", Odd("odd name")))
    part: Field[Part | None] = field(default=None)
    data: Field[dict[str, Any]] = field(default_factory=dict)


class Rating(Map):
    """A map whose fields are called as attributes of all descriptors are."""

    avg: Field[float] = field(default=0.0)
    sum: Field[int] = field(default=0)
    startswith: Field[str] = field(default="")
    array_contains: Field[list[int]] = field(default_factory=list)
    alias: Field[str] = field(default="")
    owner: Field[str] = field(default="", alias="the owner")
    field_name: Field[int] = field(default=0)
    asc: Field[int] = field(default=0)
    is_in: Field[int] = field(default=0)


class Shop(Model, collection="shops"):
    """A document with such a map."""

    rating: Field[Rating | None] = field(default=None)


class Below(Model, collection=cast("str", Odd("below")), parent=Coded):
    """A document of a subcollection whose name is given as odd text."""

    name: Field[str]


ILLEGAL: Final = [
    *("", "a/b", ".", "..", "__x__", "\ud800", "a\0b", "a" * 1501, "é" * 751, "a/b/c", "____", "__id0__"),
    *("__id07__", "__id9223372036854775808__", "/", "/a", "a/"),
]


class NameConformance(Suite):
    """Names from outside."""

    @pytest.mark.parametrize("kind", [str, Odd])
    @pytest.mark.parametrize("document_id", ILLEGAL, ids=lambda value: repr(value)[:20])
    def test_ids_never_reach_another_document(self, db: Database, ctx: Any, document_id: str, kind: type[str]) -> None:
        ctx.save(City(id="SF", name="before"))
        bad = kind(document_id)
        calls: list[Callable[[], object]] = [
            lambda: ctx.save(City(id=bad, name="x")),
            lambda: ctx.create(City(id=bad, name="x")),
            lambda: ctx.save_many([City(id=bad, name="x")]),
            lambda: ctx.update(City, bad, {City.name: "x"}),
            lambda: ctx.update(City(id=bad, name="x"), {City.name: "y"}),
            lambda: ctx.delete(City, bad),
            lambda: ctx.delete(City(id=bad, name="x")),
            lambda: ctx.delete_many(City, [bad]),
            lambda: ctx.get(City, bad),
            lambda: ctx.find(City, bad),
            lambda: ctx.exists(City, bad),
            lambda: ctx.get_many(City, ["SF", bad]),
            lambda: ctx.refresh(City(id=bad, name="x")),
            lambda: Ref(City, bad),
            lambda: from_dict(City, {"name": "x"}, doc_id=bad),
        ]
        with ctx.batch() as batch:
            calls += [
                lambda: batch.save(City(id=bad, name="x")),
                lambda: batch.update(City, bad, {City.name: "x"}),
                lambda: batch.delete(City, bad),
            ]
            for call in calls:
                with pytest.raises(InvalidDocumentIdError) as caught:
                    call()
                assert len(str(caught.value)) < 300
        with pytest.raises(ValidationError):
            from_dict(City, {"id": bad, "name": "x"}, include_id=True)
        assert "before" == ctx.get(City, "SF").name
        assert db.data("elsewhere/SF") is None

    @needs(Feature.QUERIES, Feature.ID_FILTERS)
    @pytest.mark.parametrize("document_id", [*ILLEGAL[1:4], Odd("a/b"), Odd("")], ids=repr)
    def test_ids_in_queries_are_refused_as_well(self, ctx: Any, document_id: str) -> None:
        for query in (
            ctx.select(City, City.id == document_id),
            ctx.select(City, City.id >= document_id),
            ctx.select(City, order_by=City.id, start_at={"id": document_id}),
        ):
            with pytest.raises(InvalidDocumentIdError):
                query.to_list()

    def test_an_enum_member_stands_for_its_value_as_an_id(self, db: Database, ctx: Any) -> None:
        city = City(id=Code.SF, name="x")
        assert "SF" == ctx.save(city)
        assert (str, "x") == (type(ctx.get(City, Code.SF).id), ctx.get(City, "SF").name)
        ctx.update(City, Code.SF, {City.name: "y"})
        ctx.update(city, {City.state: "NV"})
        found = ctx.find(City, Code.SF)
        assert ("y", "NV") == (found.name, found.state)
        assert ctx.exists(City, Code.SF)
        ctx.refresh(city)
        assert "y" == city.name
        assert ["y"] == [one.name for one in ctx.get_many(City, [Code.SF])]
        assert Ref(City, "SF") == Ref(City, Code.SF)
        assert (str, "cities/SF") == (type(Ref(City, Code.SF).path), Ref(City, Code.SF).path)
        assert "y" == ctx.get(Ref(City, Code.SF)).name
        with ctx.batch() as batch:
            batch.create(City(id=Code.LA, name="z"))
            batch.update(City, Code.SF, {City.population: 3})
        assert 3 == ctx.get(City, "SF").population
        ctx.save(Area(id=Code.LA, name="a"), parent=Ref(City, Code.SF))
        assert {"name": "a", "rank": 0} == db.data("cities/SF/areas/LA")
        ctx.delete_many(City, [Code.SF])
        ctx.delete(City, Code.LA)
        assert [None, None] == [db.data("cities/SF"), db.data("cities/LA")]
        assert (str, "SF") == (type(from_dict(City, {"name": "x"}, doc_id=Code.SF).id), "SF")

    @needs(Feature.TRANSACTIONS)
    def test_an_enum_member_stands_for_its_value_in_transactions(self, ctx: Any) -> None:
        ctx.save(City(id="SF", name="x"))
        with ctx.transaction() as txn:
            assert "x" == txn.get(City, Code.SF).name
            txn.update(City, Code.SF, {City.name: "y"})
            txn.save(City(id=Code.LA, name="z"))
        assert ["y", "z"] == [city.name for city in ctx.get_many(City, ["SF", "LA"])]

    @needs(Feature.QUERIES, Feature.ID_FILTERS)
    def test_an_enum_member_stands_for_its_value_in_queries(self, ctx: Any) -> None:
        ctx.save_many([City(id="SF", name="SF"), City(id="LA", name="LA")])
        assert ["SF"] == ctx.select(City, City.id == Code.SF).ids()
        assert ["SF"] == ctx.select(City, City.name == Code.SF).ids()
        assert ["SF"] == ctx.select(City, City.name.startswith(Code.SF)).ids()
        assert ["LA", "SF"] == ctx.select(City, order_by=Code.NAME).ids()

    @needs(Feature.QUERIES, Feature.CURSORS, Feature.ID_FILTERS)
    def test_an_enum_member_stands_for_its_value_in_cursors(self, ctx: Any) -> None:
        ctx.save_many([City(id="SF", name="SF"), City(id="LA", name="LA")])
        assert ["SF"] == ctx.select(City, order_by=City.id, start_at={City.id: Code.SF}).ids()
        assert ["SF"] == ctx.select(City, order_by=City.id, start_after={"id": Code.LA}).ids()

    def test_names_given_as_enums_and_as_odd_text(self, db: Database, ctx: Any) -> None:
        stored = Coded(id="a", name="x", part=Part(name="y"), data={Code.KEY: 1, "m": {Code.KEY: 2}})
        ctx.save(stored)
        data = {"odd name": "x", "part": {"stored name": "y"}, "data": {"k.x": 1, "m": {"k.x": 2}}}
        assert data == db.data("coded/a")
        assert stored == ctx.get(Coded, "a")
        assert data == to_dict(stored, by_alias=True)
        assert stored == from_dict(Coded, data, doc_id="a", by_alias=True)
        changes: dict[Any, Any] = {Code.NAME: "z", Coded.data[Code.KEY]: 3, FieldPath("part", Code.STORED): "w"}
        ctx.update(Coded, "a", changes)
        ctx.update(Coded, "a", {Coded.data["n"]: {Code.KEY: Code.SF}})
        assert {
            "odd name": "z",
            "part": {"stored name": "w"},
            "data": {"k.x": 3, "m": {"k.x": 2}, "n": {"k.x": "SF"}},
        } == db.data("coded/a")
        ctx.save(Below(id="b", name="x"), parent=stored)
        assert {"name": "x"} == db.data("coded/a/below/b")
        assert all(type(name) is str for name in (Coded.__collection__, Below.__collection__, Coded.name.alias))

    @needs(Feature.QUERIES)
    def test_names_given_as_enums_in_queries(self, ctx: Any) -> None:
        ctx.save_many([Coded(id="a", name="x"), Coded(id="b", name="y")])
        assert ["a"] == ctx.select(Coded, Coded.name == "x").ids()
        assert ["b", "a"] == ctx.select(Coded).order_by(Coded.name.desc()).ids()

    def test_an_id_that_claims_to_be_another_is_its_text(self, ctx: Any) -> None:
        ctx.save(City(id="SF", name="before"))
        city = ctx.get(City, "SF")
        city.id = Odd("LA")
        city.name = "after"
        ctx.save(city)
        assert ["before", "after"] == [one.name for one in ctx.get_many(City, ["SF", "LA"])]

    def test_keys_that_are_odd_text_are_their_text(self, db: Database, ctx: Any) -> None:
        ctx.save(Coded(id="a", data={Odd("k"): {Odd("l"): Odd("v")}}))
        assert {"k": {"l": "v"}} == (db.data("coded/a") or {})["data"]
        for bad in ("__x__", "", "\ud800", "k" * 1501):
            for key in (bad, Odd(bad)):
                with pytest.raises(ValidationError):
                    ctx.save(Coded(id="a", data={key: 1}))
                with pytest.raises((CendryError, ValueError)):
                    ctx.update(Coded, "a", {Coded.data[key]: 1})
                with pytest.raises((CendryError, ValueError)):
                    ctx.update(Coded, "a", {FieldPath("data", key): 1})
                with pytest.raises(ValidationError):
                    from_dict(Coded, {"data": {key: 1}})
        assert {"k": {"l": "v"}} == (db.data("coded/a") or {})["data"]

    def test_a_field_inside_that_is_called_like_an_attribute_of_fields_is_named_by_brackets(
        self, db: Database, ctx: Any
    ) -> None:
        rating: Any = Shop.rating
        for name in ("alias", "owner", "field_name", "asc", "is_in"):
            with pytest.raises(AttributeError, match=rf"write Shop\.rating\[Rating\.{name}\], or 'rating\.{name}'"):
                getattr(rating, name)
        assert all(getattr(rating, name) is rating[name] for name in ("avg", "sum", "startswith", "array_contains"))
        before = Shop(id="a", rating=Rating(alias="x", owner="y", avg=1.5))
        ctx.save(before)
        changes: dict[Any, Any] = {
            rating.avg: 2.5,
            rating[Rating.sum]: 3,
            Shop.rating[Rating.alias]: "new",
            "rating.owner": "z",
            Shop.rating[Rating.asc]: 4,
        }
        ctx.update(Shop, "a", changes)
        stored = (db.data("shops/a") or {})["rating"]
        assert (2.5, 3, "new", "z", 4) == tuple(stored[name] for name in ("avg", "sum", "alias", "the owner", "asc"))
        assert Rating(avg=2.5, sum=3, alias="new", owner="z", asc=4) == ctx.get(Shop, "a").rating

    @needs(Feature.QUERIES)
    def test_fields_that_are_named_by_brackets_in_queries(self, ctx: Any) -> None:
        rating: Any = Shop.rating
        for number, letter in enumerate("ab"):
            ctx.save(Shop(id=letter, rating=Rating(avg=float(-number), alias=letter, is_in=number)))
        assert ["a"] == ctx.select(Shop, rating.avg == 0.0).ids()
        assert ["b"] == ctx.select(Shop, Shop.rating[Rating.alias] == "b").ids()
        assert ["b", "a"] == ctx.select(Shop, order_by=rating.avg).ids()
        assert ["b", "a"] == ctx.select(Shop, order_by=rating[Rating.is_in].desc()).ids()
        assert ["b", "a"] == ctx.select(Shop, order_by="rating.avg").ids()

    @needs(Feature.QUERIES, Feature.PROJECTIONS)
    def test_fields_that_are_named_by_brackets_in_projections(self, ctx: Any) -> None:
        ctx.save(Shop(id="a", rating=Rating(avg=1.5, alias="x")))
        rating: Any = Shop.rating
        found = ctx.select(Shop).project(rating.avg, Shop.rating[Rating.alias]).first()
        assert {"id": "a", "rating.avg": 1.5, "rating.alias": "x"} == found

    def test_plans_are_taken_for_their_text(self, db: Database) -> None:
        db.commit(Set(Planned.DOCUMENT, {"n": 1}))
        assert {"n": 1} == db.data("kept/a")
        db.commit(Update(Planned.DOCUMENT, {"n": 2}, (FieldPath("n"),)))
        assert [{"n": 2}] == [one.data for one in db.get_plan(GetPlan((Planned.DOCUMENT,)))]
        db.commit(Delete(Planned.DOCUMENT))
        assert db.data("kept/a") is None

    @needs(Feature.QUERIES)
    def test_plans_of_queries_are_taken_for_their_text(self, db: Database) -> None:
        db.commit(Set("kept/a", {"n": 1}), Set("kept/a/below/b", {"n": 1}))
        for plan in (QueryPlan(Planned.COLLECTION, parent=Planned.DOCUMENT), QueryPlan("below", parent="kept/a")):
            assert ["kept/a/below/b"] == [one.path for one in db.run(plan)]
