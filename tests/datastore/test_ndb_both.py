"""One application on ndb, another on Cendry, on the same entities: what one writes, the other reads as it is."""

from __future__ import annotations

import copy
import json
import pickle
import zlib
from collections.abc import Iterator
from datetime import date, datetime, time, timezone
from typing import Any

import google.cloud.ndb as ndb
import pytest
from cendry import (
    DELETE_FIELD,
    Cendry,
    CendryError,
    DecodeError,
    Field,
    GeoPoint,
    InvalidUrlError,
    InvalidValueError,
    Map,
    Model,
    Ref,
    UnsupportedByBackendError,
    field,
)
from cendry._types.registry import default_registry
from cendry.codec import codec_for
from cendry_datastore import DatastoreBackend, _sdk
from cendry_datastore._ndb import MAX_INFLATED
from cendry_datastore._ndb_forms import own_fields_of_codec
from cendry_datastore._ndb_read import Scope, unfolded
from cendry_datastore._ndb_write import NOTHING, folded
from cendry_datastore._values import decode_properties, write_properties
from google.cloud import datastore
from hypothesis import given
from hypothesis import strategies as st

from .ndb_properties import Properties, values
from .test_ndb_forms import GROUP, KEY, stored, text


class Address(Map):
    street: Field[str | None] = field(default=None)
    city: Field[str | None] = field(default=None)
    zip: Field[int | None] = field(default=None)


class Deep(Map):
    address: Field[Address | None] = field(default=None)
    note: Field[str | None] = field(default=None)
    addresses: Field[list[Address]] = field(default_factory=list)


class Home(Map):
    """A map in a map, without lists, as ndb wants it in a list."""

    address: Field[Address | None] = field(default=None)
    note: Field[str | None] = field(default=None)


class Everything(Model, collection="Everything"):
    boolean: Field[bool | None] = field(default=None)
    integer: Field[int | None] = field(default=None)
    real: Field[float | None] = field(default=None)
    string: Field[str | None] = field(default=None)
    text: Field[str | None] = field(default=None)
    moment: Field[datetime | None] = field(default=None)
    day: Field[date | None] = field(default=None)
    hour: Field[time | None] = field(default=None)
    point: Field[GeoPoint | None] = field(default=None)
    key: Field[Ref[Any] | None] = field(default=None, alias="k")
    blob: Field[bytes | None] = field(default=None)
    pickled: Field[bytes | None] = field(default=None)
    generic: Field[Any] = field(default=None)
    tags: Field[list[str]] = field(default_factory=list)
    story: Field[str | None] = field(default=None, metadata={"ndb": "compressed"})
    small: Field[bytes | None] = field(default=None, metadata={"ndb": "compressed"})
    stories: Field[list[str]] = field(default_factory=list, metadata={"ndb": "compressed"})
    conf: Field[dict[str, Any] | None] = field(default=None)
    big: Field[dict[str, Any] | None] = field(default=None, metadata={"ndb": "compressed"})
    confs: Field[list[dict[str, Any]]] = field(default_factory=list)
    matrix: Field[list[int] | None] = field(default=None, metadata={"ndb": "json"})
    home: Field[Address | None] = field(default=None)
    others: Field[list[Address]] = field(default_factory=list)
    deep: Field[Deep | None] = field(default=None)
    homes: Field[list[Home]] = field(default_factory=list)
    local: Field[Deep | None] = field(default=None, metadata={"ndb": "local"})
    locals: Field[list[Deep]] = field(default_factory=list, metadata={"ndb": "local"})
    packed: Field[Deep | None] = field(default=None, metadata={"ndb": "local compressed"})


class Kept(Everything, collection="Everything", extra="keep"):
    pass


class NdbAddress(ndb.Model):  # type: ignore[misc]  # ndb has no types.
    street = ndb.StringProperty()
    city = ndb.StringProperty()
    zip = ndb.IntegerProperty()


class NdbDeep(ndb.Model):  # type: ignore[misc]  # ndb has no types.
    address = ndb.StructuredProperty(NdbAddress)
    note = ndb.TextProperty()
    addresses = ndb.StructuredProperty(NdbAddress, repeated=True)


class NdbHome(ndb.Model):  # type: ignore[misc]  # ndb has no types.
    address = ndb.StructuredProperty(NdbAddress)
    note = ndb.TextProperty()


class NdbEverything(Properties, ndb.Model):  # type: ignore[misc]  # ndb has no types.
    """The same in ndb."""

    tags = ndb.StringProperty(repeated=True)
    home = ndb.StructuredProperty(NdbAddress)
    others = ndb.StructuredProperty(NdbAddress, repeated=True)
    deep = ndb.StructuredProperty(NdbDeep)
    homes = ndb.StructuredProperty(NdbHome, repeated=True)
    local = ndb.LocalStructuredProperty(NdbDeep)
    locals = ndb.LocalStructuredProperty(NdbDeep, repeated=True)
    packed = ndb.LocalStructuredProperty(NdbDeep, compressed=True)

    @classmethod
    def _get_kind(cls) -> str:
        return "Everything"


def of_ndb() -> dict[str, Any]:
    """Values for ndb; made in its context."""
    address = NdbAddress(street="Main", city="Rome", zip=1)
    deep = NdbDeep(address=NdbAddress(city="Bern"), note="n", addresses=[NdbAddress(zip=5), NdbAddress(city="x")])
    return {
        **values(),
        "tags": ["a", "b"],
        "home": address,
        "others": [NdbAddress(street="1"), NdbAddress(city="x", zip=2), NdbAddress()],
        "deep": deep,
        "homes": [NdbHome(address=NdbAddress(city="a"), note="1"), NdbHome(address=NdbAddress(zip=3))],
        "local": deep,
        "locals": [deep, NdbDeep(note="only")],
        "packed": deep,
    }


def as_cendry(found: Any) -> Any:
    """What ndb reads, as Cendry has it."""
    match found:
        case dict():
            return {name: as_cendry(value) for name, value in found.items()}
        case list():
            return [as_cendry(value) for value in found]
        case datetime():
            return found.replace(tzinfo=timezone.utc)
        case ndb.GeoPt():
            return GeoPoint(found.latitude, found.longitude)
        case ndb.Key():
            return Ref.from_path(f"{found.kind()}/__id{found.id()}__")
        case _:
            return found


class Both:
    """ndb and Cendry on the same project."""

    def __init__(self, project: str, ctx: Cendry) -> None:
        self.client = ndb.Client(project=project)
        self.ctx = ctx

    def put(self, legacy: bool, **properties: Any) -> None:
        """Store an entity by ndb, with everything unless some is given."""
        with self.client.context(legacy_data=legacy):
            NdbEverything(id="a", **(properties or of_ndb())).put()

    def by_ndb(self, document_id: str = "a") -> dict[str, Any]:
        """The entity as ndb reads it."""
        with self.client.context():
            entity = NdbEverything.get_by_id(document_id)
            found: dict[str, Any] = as_cendry(entity.to_dict())
            found["key"] = found.pop("key_")
            return found

    def by_cendry(self, document_id: str = "a", model: type[Everything] = Everything) -> dict[str, Any]:
        """The entity as Cendry reads it."""
        found: dict[str, Any] = plain(self.ctx.get(model, document_id))
        return found

    def raw(self, document_id: str = "a") -> Any:
        """The stored message."""
        return self.ctx.client.get(self.ctx.client.key("Everything", document_id))

    def raw_of(self, name: str) -> dict[str, Any]:
        """The stored properties of a field."""
        return {one: value for one, value in self.raw().items() if one.partition(".")[0] == name}

    def agree(self, document_id: str = "a") -> dict[str, Any]:
        """Check that both read the same, and return it."""
        ours, theirs = self.by_cendry(document_id), self.by_ndb(document_id)
        if isinstance(ours["pickled"], bytes):
            ours["pickled"] = pickle.loads(ours["pickled"])
        assert theirs == ours
        return ours


def plain(found: Any) -> Any:
    """An instance as ndb's `to_dict` shows it."""
    if isinstance(found, (Model, Map)):
        names = [name for name in type(found).__cendry_fields__ if name != "id"]
        return {name: plain(getattr(found, name)) for name in names}
    return [plain(each) for each in found] if isinstance(found, list) else found


def in_words(entity: Any) -> Any:
    """What is stored, with JSON and compressed values as what they say: their keys have no order."""
    match entity:
        case datastore.Entity():
            return {name: in_words(value) for name, value in entity.items()}
        case list():
            return [in_words(value) for value in entity]
        case bytes() if entity.startswith(b"x\x9c"):
            return "compressed", in_words(zlib.decompress(entity))
        case bytes() if entity.startswith((b"{", b"[")):
            return "json", json.loads(entity)
        case _:
            return entity


@pytest.fixture
def ctx(datastore_host: str, project: str) -> Iterator[Cendry]:
    """A context that reads what ndb stores."""
    backend = DatastoreBackend(project=project, ndb=True)
    yield Cendry(backend=backend)
    backend.close()


@pytest.fixture
def both(project: str, ctx: Cendry) -> Both:
    """ndb and Cendry on an emulator."""
    return Both(project, ctx)


LEGACY = pytest.mark.parametrize("legacy", [True, False], ids=["legacy", "whole"])


@LEGACY
def test_what_ndb_writes_is_read_and_goes_back_as_it_was(both: Both, legacy: bool) -> None:
    both.put(legacy)
    first = both.agree()
    assert (Address(street="Main", city="Rome", zip=1), "a long story") == (
        both.ctx.get(Everything, "a").home,
        first["story"],
    )
    before = both.raw()
    for model in (Everything, Kept):
        both.ctx.save(both.ctx.get(model, "a"))
        assert before == both.raw()
        assert before.exclude_from_indexes == both.raw().exclude_from_indexes
        assert before._meanings == both.raw()._meanings
    assert first == both.agree()


@LEGACY
def test_what_has_nothing_to_read_is_read(both: Both, legacy: bool) -> None:
    both.put(legacy, string="only")
    both.agree()
    both.ctx.save(both.ctx.get(Everything, "a"))
    assert "only" == both.agree()["string"]


CHANGES: dict[str, Any] = {
    "a field of a map": lambda one: setattr(one.home, "city", "Oslo"),
    "a map": lambda one: setattr(one, "home", Address(street="New")),
    "no map": lambda one: setattr(one, "home", None),
    "a map in a map": lambda one: setattr(one.deep.address, "street", "Side"),
    "no map in a map": lambda one: setattr(one.deep, "address", None),
    "a list": lambda one: one.others.append(Address(city="last")),
    "a shorter list": lambda one: one.others.pop(0),
    "no list": lambda one: one.others.clear(),
    "a list in a map": lambda one: one.deep.addresses.pop(),
    "a list of maps with maps": lambda one: one.homes.append(Home(address=Address(city="z"), note="z")),
    "less of it": lambda one: setattr(one.homes[0], "address", None),
    "a local map": lambda one: setattr(one.local.address, "city", "Oslo"),
    "a new local map": lambda one: setattr(one, "local", Deep(note="new", addresses=[Address(zip=3)])),
    "no local map": lambda one: setattr(one, "local", None),
    "a list of local maps": lambda one: one.locals.insert(0, Deep(note="first")),
    "no list of local maps": lambda one: one.locals.clear(),
    "a packed map": lambda one: setattr(one.packed, "note", "p"),
    "a new packed map": lambda one: setattr(one, "packed", Deep(address=Address(zip=9))),
    "text": lambda one: setattr(one, "story", "another story"),
    "no text": lambda one: setattr(one, "story", None),
    "bytes": lambda one: setattr(one, "small", b"x" * 99),
    "texts": lambda one: one.stories.append("last"),
    "json": lambda one: one.conf.update(dark=False, more=[1, {"x": 2.5}]),
    "no json": lambda one: setattr(one, "conf", None),
    "other json": lambda one: setattr(one, "big", {"x": "é"}),
    "jsons": lambda one: one.confs.append({}),
    "json list": lambda one: one.matrix.append(4),
    "plain": lambda one: setattr(one, "string", "plain"),
}


def without_empty_maps(found: Any) -> Any:
    """Values where a map that has nothing but `None` is `None`: ndb's arrays can't tell them apart."""
    if isinstance(found, dict):
        found = {name: without_empty_maps(value) for name, value in found.items()}
        return None if found and all(value is None for value in found.values()) else found
    return [without_empty_maps(each) for each in found] if isinstance(found, list) else found


@LEGACY
def test_what_is_changed_is_read_by_both(both: Both, legacy: bool) -> None:
    for number, (name, change) in enumerate(CHANGES.items()):
        model = (Everything, Kept)[(number + legacy) % 2]
        both.put(legacy)
        before = both.raw()
        instance = both.ctx.get(model, "a")
        instance = pickle.loads(pickle.dumps(copy.deepcopy(instance))) if name == "a list" else instance
        change(instance)
        expected = plain(instance)
        both.ctx.save(instance)
        after = both.raw()
        assert without_empty_maps(expected) == without_empty_maps(both.by_cendry()), name
        assert without_empty_maps(both.agree()) is not None, name
        changed = {one for one in {*before, *after} if before.get(one, "-") != after.get(one, "-")}
        assert 1 <= len({one.partition(".")[0] for one in changed}) == len({"x"}), (name, changed)
        assert before.exclude_from_indexes - changed <= after.exclude_from_indexes, name


UPDATES: dict[str, tuple[dict[str, Any], Any]] = {
    "a part": ({"home.city": "Oslo"}, lambda one: setattr(one.home, "city", "Oslo")),
    "a part that is removed": ({"home.city": DELETE_FIELD}, lambda one: setattr(one.home, "city", None)),
    "a deep part": ({"deep.address.zip": 7}, lambda one: setattr(one.deep.address, "zip", 7)),
    "a deep map": ({"deep.address": Address(zip=7)}, lambda one: setattr(one.deep, "address", Address(zip=7))),
    "a map": ({"home": Address(street="S")}, lambda one: setattr(one, "home", Address(street="S"))),
    "no map": ({"home": None}, lambda one: setattr(one, "home", None)),
    "a removed map": ({"home": DELETE_FIELD}, lambda one: setattr(one, "home", None)),
    "a list": ({"others": [Address(zip=1)]}, lambda one: setattr(one, "others", [Address(zip=1)])),
    "an empty list": ({"others": []}, lambda one: setattr(one, "others", [])),
    "a part of a local map": ({"local.address.city": "c"}, lambda one: setattr(one.local.address, "city", "c")),
    "a part of a packed map": ({"packed.note": "c"}, lambda one: setattr(one.packed, "note", "c")),
    "text": ({"story": "short"}, lambda one: setattr(one, "story", "short")),
    "json": ({"conf": {"a": 1}}, lambda one: setattr(one, "conf", {"a": 1})),
    "two": ({"home.city": "x", "home.zip": 5, "string": "y"}, None),
}


@LEGACY
def test_what_is_updated_is_read_by_both(both: Both, legacy: bool) -> None:
    for name, (changes, change) in UPDATES.items():
        both.put(legacy)
        before, instance = both.raw(), both.ctx.get(Everything, "a")
        both.ctx.update(Everything, "a", changes)
        after = both.raw()
        found = both.agree()
        if change is not None:
            change(instance)
            assert plain(instance) == both.by_cendry(), name
        tops = {one.partition(".")[0] for one in changes}
        changed = {one for one in {*before, *after} if before.get(one, "-") != after.get(one, "-")}
        assert tops == {one.partition(".")[0] for one in changed}, name
        assert found is not None


@LEGACY
def test_none_becomes_a_map_and_back(both: Both, legacy: bool) -> None:
    both.put(legacy, string="x")
    both.ctx.update(Everything, "a", {"home": Address(city="c"), "story": "s", "conf": {"a": 1}})
    assert {"home.city": "c", "home.street": None, "home.zip": None} == both.raw_of("home")
    assert "c" == both.agree()["home"]["city"]
    instance = both.ctx.get(Everything, "a")
    instance.others = [Address(zip=1), Address(zip=2)]
    instance.local = Deep(address=Address(city="l"))
    both.ctx.save(instance)
    assert [1, 2] == (both.raw()["others.zip"] if legacy else [one["zip"] for one in both.raw()["others"]])
    found = both.agree()
    assert "l" == found["local"]["address"]["city"]
    instance.home, instance.others = None, []
    both.ctx.save(instance)
    assert ({"home": None}, {}) == (both.raw_of("home"), both.raw_of("others") if legacy else {})
    both.agree()
    both.ctx.update(Everything, "a", {"home.street": "new"})
    assert {"home.street": "new"} == both.raw_of("home")
    assert "new" == both.agree()["home"]["street"]


def test_new_entities_are_read_by_ndb(both: Both, ctx: Cendry) -> None:
    both.put(True)
    source = both.ctx.get(Everything, "a")
    new = Everything(id="b", **{name: getattr(source, name) for name in Everything.__cendry_fields__ if name != "id"})
    for write in (ctx.create, ctx.save):
        write(new)
        assert both.agree("a") == both.agree("b")
        before, after = both.raw(), both.raw("b")
        assert in_words(before) == in_words(after)
        assert {"story", "small", "big", "local"} <= after.exclude_from_indexes
    assert "b" in ctx.select(Everything, Everything.home.city == "Rome").ids()
    with both.client.context():
        found = NdbEverything.query(NdbEverything.home.city == "Rome", NdbEverything.others.zip == 2).fetch()
        assert ["a", "b"] == sorted(one.key.id() for one in found)


@LEGACY
def test_projections_are_of_what_ndb_stored(both: Both, legacy: bool) -> None:
    both.put(legacy)
    one = both.ctx.get(Everything, "a")
    [row] = both.ctx.select(Everything).values(
        Everything.home,
        "home.city",
        Everything.others,
        "deep.address.city",
        Everything.deep,
        "local.address.city",
        "packed.note",
        Everything.story,
        Everything.conf,
        Everything.string,
        Everything.id,
    )
    assert (
        one.home,
        "Rome",
        one.others,
        "Bern",
        one.deep,
        "Bern",
        "n",
        "a long story",
        one.conf,
        "é",
        "a",
    ) == row
    assert ["Bern"] == both.ctx.select(Everything).values("deep.address.city", flat=True).to_list()
    assert ["Bern"] == both.ctx.select(Everything).values("local.address.city", flat=True).to_list()
    assert [{"id": "a", "home.zip": 1}] == both.ctx.select(Everything).project("home.zip").to_list()


def test_maps_are_not_compared_as_wholes(both: Both) -> None:
    both.put(True)
    select = both.ctx.select
    for query in (
        select(Everything).order_by(Everything.home),
        select(Everything, Everything.home != None),  # noqa: E711
        select(Everything, Everything.deep.address.is_not_null()),
        select(Everything, Everything.conf.is_not_null()),
    ):
        with pytest.raises(UnsupportedByBackendError, match="of what ndb stores"):
            query.to_list()
    assert [] == select(Everything, Everything.home == None).ids()  # noqa: E711
    assert ["a"] == select(Everything, Everything.home.city == "Rome").order_by("home.zip").ids()
    assert ["a"] == select(Everything, Everything.string != None).order_by("string").ids()  # noqa: E711
    both.ctx.update(Everything, "a", {"home": None})
    assert ["a"] == select(Everything, Everything.home == None).ids()  # noqa: E711


def put_raw(ctx: Cendry, **properties: Any) -> None:
    """Store properties by the SDK."""
    entity = datastore.Entity(ctx.client.key("Everything", "a"))
    entity.update({name.replace("__", "."): value for name, value in properties.items()})
    ctx.client.put(entity)


def map_of(**properties: Any) -> Any:
    """An embedded entity."""
    found = datastore.Entity()
    found.update(properties)
    return found


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({"home": None, "home__city": "x"}, {"home": Address(city="x")}),
        ({"home": map_of(street="s", city="y"), "home__city": "x"}, {"home": Address(street="s", city="x")}),
        ({"others__city": ["a", "b"], "others__zip": [1]}, {"others": [Address(city="a", zip=1), Address(city="b")]}),
        ({"others": [map_of(city="y", zip=2)], "others__city": ["x"]}, {"others": [Address(city="x", zip=2)]}),
        ({"others__city": []}, {"others": []}),
    ],
)
def test_parts_win_over_wholes(both: Both, properties: Any, expected: dict[str, Any]) -> None:
    # What ndb reads depends on the order in which the properties arrive, which is another one each time.
    put_raw(both.ctx, **properties)
    found = both.ctx.get(Everything, "a")
    assert expected == {name: getattr(found, name) for name in expected}
    both.ctx.save(found)
    both.agree()
    assert expected == {name: getattr(both.ctx.get(Everything, "a"), name) for name in expected}
    assert {"home", "others"} & {*both.raw()} <= {"home"}
    put_raw(both.ctx, **properties)
    both.ctx.update(Everything, "a", {"home.zip": 77, "others": [Address(street="new")]})
    assert (77, "new") == (both.agree()["home"]["zip"], both.agree()["others"][0]["street"])


class Loose(Model, collection="Everything"):
    """The same without knowing much."""

    home: Field[dict[str, Any] | None] = field(default=None)
    deep: Field[Any] = field(default=None)
    others: Field[list[dict[str, Any]]] = field(default_factory=list)
    small: Field[Any] = field(default=None)
    big: Field[bytes | None] = field(default=None)
    stories: Field[list[bytes]] = field(default_factory=list)


class Packed(Model, collection="Everything"):
    local: Field[bytes | None] = field(default=None)


def test_serialized_entities_are_bytes_where_the_model_says_so(both: Both) -> None:
    both.put(False, local=NdbDeep(note="n"))
    found = both.ctx.get(Packed, "a")
    assert found.local is not None
    assert b"note" in found.local
    both.ctx.save(found)
    assert found.local == both.raw()["local"]


def test_free_maps_and_bytes(both: Both) -> None:
    both.put(True)
    found = both.ctx.get(Loose, "a")
    assert {"street": "Main", "city": "Rome", "zip": 1} == found.home
    assert {
        "note": "n",
        "address": {"street": None, "city": "Bern", "zip": None},
        "addresses": {"street": [None, None], "city": [None, "x"], "zip": [5, None]},
    } == found.deep
    assert {"street": None, "city": "x", "zip": 2} == found.others[1]
    assert (b"\x00\xff" * 50, b'{"a":[1.5,"x"]}', [b"one", b"", b"three"]) == (found.small, found.big, found.stories)
    assert found.home is not None
    found.home["city"], found.deep["address"]["zip"], found.big = "Oslo", 5, b"[]"
    found.others.pop()
    before = both.raw()
    both.ctx.update(found, {"home": found.home, "deep": found.deep, "big": found.big, "others": found.others})
    after = both.by_ndb()
    assert ("Oslo", 5, [], 2) == (
        after["home"]["city"],
        after["deep"]["address"]["zip"],
        after["big"],
        len(after["others"]),
    )
    assert before["small"] == both.raw()["small"]
    both.ctx.update(found, {"home": {}, "deep": 5})
    assert ({}, 5) == (dict(both.raw()["home"]), both.raw()["deep"])
    assert ({}, 5) == (both.ctx.get(Loose, "a").home, both.ctx.get(Loose, "a").deep)
    [row] = both.ctx.select(Loose).values(Loose.home, Loose.deep, Loose.small)
    assert ({}, 5, b"\x00\xff" * 50) == row


def compressed(ctx: Cendry, name: str, data: bytes) -> None:
    """Store a value that is marked as compressed."""
    entity = datastore.Entity(ctx.client.key("Everything", "a"), exclude_from_indexes=(name,))
    entity[name] = data
    entity._meanings[name] = (22, data)
    ctx.client.put(entity)


def test_zip_bombs_are_refused(both: Both, project: str) -> None:
    bomb = zlib.compress(bytes(17 * 1024 * 1024), 9)
    for name in ("story", "packed"):
        compressed(both.ctx, name, bomb)
        with pytest.raises(
            DecodeError, match=rf"{name}: expected at most 16777216 bytes .*max_inflated.*{len(bomb)} b"
        ):
            both.ctx.get(Everything, "a")
        with pytest.raises(DecodeError, match="max_inflated"):
            both.ctx.select(Everything).values(name).to_list()
        with pytest.raises(DecodeError, match="max_inflated"):
            both.ctx.update(Everything, "a", {name: None})
        both.ctx.update(Everything, "a", {"string": "x"})
    small = Cendry(backend=DatastoreBackend(both.ctx.client, ndb=True, max_inflated=10))
    compressed(both.ctx, "story", zlib.compress(b"0123456789"))
    assert "0123456789" == small.get(Everything, "a").story
    compressed(both.ctx, "story", zlib.compress(b"0123456789a"))
    with pytest.raises(DecodeError, match="at most 10 bytes"):
        small.get(Everything, "a")


def test_what_cannot_be_unpacked_is_kept(both: Both) -> None:
    compressed(both.ctx, "small", b"x\x9cnot zlib")
    found = both.ctx.get(Everything, "a")
    assert b"x\x9cnot zlib" == found.small
    both.ctx.save(found)
    assert b"x\x9cnot zlib" == both.raw()["small"]
    both.ctx.update(Everything, "a", {"small": b"new"})
    assert b"new" == both.by_ndb()["small"]
    for name, data, found_there in (
        ("story", b"x\x9cnot zlib", "str, found bytes"),
        ("story", zlib.compress(b"\xff"), "str, found bytes"),
        ("packed", b"x\x9cnot zlib", "Deep, found bytes"),
    ):
        compressed(both.ctx, name, data)
        with pytest.raises(DecodeError, match=found_there):
            both.ctx.get(Everything, "a")
    for name, data, found_there in (
        ("home", b"\xff\xff", "Address, found bytes"),
        ("conf", b"{", "found bytes"),
        ("conf", b"[1]", "found bytes"),
        ("matrix", b"{", "found bytes"),
    ):
        put_raw(both.ctx, **{name: data})
        with pytest.raises(DecodeError, match=found_there):
            both.ctx.get(Everything, "a")
        both.ctx.update(Everything, "a", {name: None})
        assert getattr(both.ctx.get(Everything, "a"), name) is None


def test_json_that_cannot_be_stored(both: Both) -> None:
    both.put(True, conf={"a": [[1], [2]], "__x__": 1, "": 2}, matrix=[1])
    assert {"a": [[1], [2]], "__x__": 1, "": 2} == both.ctx.get(Everything, "a").conf
    assert both.agree()["matrix"] == [1]
    both.ctx.update(Everything, "a", {"string": "x"})
    assert {"a": [[1], [2]], "__x__": 1, "": 2} == both.agree()["conf"]
    for value, found in (
        (datetime.now(timezone.utc), "a timestamp"),
        (b"x", "a blob"),
        (GeoPoint(1, 2), "a geo point"),
        (float("inf"), "a double"),
    ):
        for write in (
            lambda value=value: both.ctx.update(Everything, "a", {"conf": {"x": [value]}}),
            lambda value=value: both.ctx.create(Everything(id="new", conf={"x": value})),
        ):
            with pytest.raises(InvalidValueError, match=rf"Everything\.conf: expected what JSON holds.*found {found}"):
                write()


def test_what_app_engine_serialized_is_read(both: Both) -> None:
    inner = stored(b"note", text(b"old")) + stored(b"address.city", text(b"Bern")) + stored(b"address.zip", None)
    compressed(both.ctx, "packed", zlib.compress(KEY + GROUP + inner))
    found = both.ctx.get(Everything, "a")
    assert Deep(note="old", address=Address(city="Bern")) == found.packed
    assert found.packed is not None
    before = both.raw()["packed"]
    both.ctx.update(found, {"string": "x"})
    assert before == both.raw()["packed"]
    found.packed.note = "new"
    both.ctx.save(found)
    assert "new" == both.agree()["packed"]["note"]


def test_transactions_and_batches_write_in_the_same_forms(both: Both) -> None:
    both.put(True)

    def change(txn: Any) -> None:
        found = txn.get(Everything, "a")
        found.home.city = "Oslo"
        txn.save(found)

    both.ctx.transaction(change)
    with both.ctx.batch() as batch:
        batch.update(Everything, "a", {"home.zip": 8})
        batch.update(Everything, "a", {"others": [Address(zip=3)], "story": "batch"})
        batch.save(Everything(id="b", home=Address(city="b"), story="b"))
        batch.update(Everything, "b", {"home.city": "B"})
    found = both.agree()
    assert ("Oslo", 8, "batch") == (found["home"]["city"], found["home"]["zip"], found["story"])
    assert {"city": "B", "street": None, "zip": None} == both.agree("b")["home"]
    assert "home.city" in both.raw("b")
    assert ["a", "b"] == sorted(one.id or "" for one in both.ctx.select(Everything))
    both.ctx.create(Everything(id="c", home=Address(city="c")))
    made, new = both.ctx.get_or_create(Everything, "d", {"home": Address(city="d")})
    assert (Address(city="d"), True, "d") == (made.home, new, both.agree("d")["home"]["city"])


class Required(Model, collection="Everything"):
    others: Field[list[Address]]
    street: Field[str | None] = field(default=None, alias="home.street")
    home: Field[Address | None] = field(default=None)


def test_an_absent_list_is_empty_and_declared_parts_are_fields(both: Both) -> None:
    both.put(True, home=NdbAddress(street="Main", city="Rome"))
    found = both.ctx.get(Required, "a")
    assert ([], "Main", Address(city="Rome")) == (found.others, found.street, found.home)
    both.ctx.update(found, {"home": Address(city="Oslo"), Required.street: "Side"})
    assert ("Side", "Oslo") == (both.by_ndb()["home"]["street"], both.by_ndb()["home"]["city"])
    assert Required(id="a", others=[], street="Side", home=Address(city="Oslo")) == both.ctx.get(Required, "a")
    put_raw(both.ctx)
    assert Required(id="a", others=[]) == both.ctx.get(Required, "a")


class Animal(Model, collection="Animal", tag_field="class", tag=("Animal",)):
    home: Field[Address | None] = field(default=None)


class Cat(Animal, tag=("Animal", "Cat")):
    story: Field[str | None] = field(default=None, metadata={"ndb": "compressed"})
    toys: Field[list[Address]] = field(default_factory=list)


@LEGACY
def test_poly_models(both: Both, legacy: bool) -> None:
    class NdbAnimal(ndb.PolyModel):  # type: ignore[misc]  # ndb has no types.
        home = ndb.StructuredProperty(NdbAddress)

        @classmethod
        def _class_name(cls) -> str:
            return cls.__name__.removeprefix("Ndb")

    class NdbCat(NdbAnimal):
        story = ndb.TextProperty(compressed=True)
        toys = ndb.StructuredProperty(NdbAddress, repeated=True)

    with both.client.context(legacy_data=legacy):
        NdbCat(id="a", home=NdbAddress(city="x"), story="s", toys=[NdbAddress(zip=1), NdbAddress(zip=2)]).put()
        NdbAnimal(id="b", home=NdbAddress(city="y")).put()
    cat = Cat(id="a", home=Address(city="x"), story="s", toys=[Address(zip=1), Address(zip=2)])
    assert [cat, Animal(id="b", home=Address(city="y"))] == both.ctx.select(Animal).order_by("id").to_list()
    assert [cat] == both.ctx.select(Cat).to_list() == both.ctx.get_many(Cat, ["a"])
    cat.toys.append(Address(zip=3))
    both.ctx.save(cat)
    both.ctx.update(Animal, "a", {"home.city": "z", Cat.toys: [Address(zip=9)], Cat.story: "t"})
    with both.client.context(cache_policy=False):
        found = NdbAnimal.get_by_id("a")
        assert (NdbCat, "z", "t", [9]) == (type(found), found.home.city, found.story, [one.zip for one in found.toys])


@pytest.mark.parametrize("given", ["compresed", "local json x", {"compressed", "y"}])
def test_hints_that_are_not_known(both: Both, given: Any) -> None:
    class Odd(Model, collection="Odd"):
        x: Field[str | None] = field(default=None, metadata={"ndb": given})

    with pytest.raises(CendryError, match=r"The metadata of .*Odd\.x has ndb=.*'compressed', 'local'"):
        both.ctx.save(Odd(id="a"))


def test_arguments_are_checked(project: str) -> None:
    with pytest.raises(TypeError, match="ndb= takes True or False, not 1"):
        DatastoreBackend(project=project, ndb=1)  # type: ignore[arg-type]
    for wrong in ("16", True, 1.5):
        with pytest.raises(TypeError, match="max_inflated= takes a number of bytes"):
            DatastoreBackend(project=project, ndb=True, max_inflated=wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="positive number of bytes, not 0"):
        DatastoreBackend(project=project, ndb=True, max_inflated=0)


def test_a_context_by_url(both: Both, project: str) -> None:
    both.put(True, home=NdbAddress(city="Rome"))
    with Cendry.from_url(f"datastore://{project}?ndb=1") as ctx:
        assert Address(city="Rome") == ctx.get(Everything, "a").home
    with Cendry.from_url(f"datastore://{project}?ndb=0") as ctx, pytest.raises(DecodeError, match="ndb=True"):
        ctx.get(Everything, "a")
    with pytest.raises(InvalidUrlError, match="ndb is 'yes'; it is 1"):
        Cendry.from_url(f"datastore://{project}?ndb=yes")


# --- without a database ---

addresses = st.fixed_dictionaries(
    {"street": st.none() | st.text(max_size=2), "city": st.none() | st.text(max_size=2), "zip": st.integers(0, 9)}
)
deeps = st.fixed_dictionaries(
    {"address": st.none() | addresses, "note": st.none() | st.text(max_size=2), "addresses": st.lists(addresses)}
)
stories = st.text(max_size=20)
entities = st.fixed_dictionaries(
    {},
    optional={
        "home": st.none() | addresses,
        "others": st.lists(addresses, min_size=1, max_size=3),
        "deep": st.none() | deeps.filter(lambda one: bool(one["addresses"])),
        "homes": st.lists(st.fixed_dictionaries({"address": addresses, "note": stories}), min_size=1, max_size=3),
        "local": st.none() | deeps.filter(lambda one: bool(one["addresses"])),
        "story": st.none() | stories,
        "stories": st.lists(stories, max_size=3),
        "conf": st.none()
        | st.dictionaries(st.text(max_size=2), st.integers(-(2**63), 2**63 - 1) | st.none() | stories, max_size=2),
        "string": stories,
    },
)
SCOPE = Scope(MAX_INFLATED, "Everything/a", "Everything")


def properties_of(data: dict[str, Any]) -> Any:
    """The properties of an entity."""
    entity = _sdk.Entity()
    write_properties(entity.properties, data, None)
    return entity.properties


@given(entities, entities)
def test_what_is_brought_into_the_forms_of_ndb_comes_back(before: dict[str, Any], data: dict[str, Any]) -> None:
    fields = own_fields_of_codec(codec_for(Everything, default_registry))
    stored_before = folded(properties_of(before), NOTHING, fields, SCOPE)
    for raw in (NOTHING, stored_before, properties_of(before)):
        found = folded(properties_of(data), raw, fields, SCOPE)
        assert data == decode_properties(unfolded(found, fields, SCOPE), None)
    assert stored_before == folded(properties_of(before), stored_before, fields, SCOPE)
