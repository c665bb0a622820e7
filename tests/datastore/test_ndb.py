"""What google-cloud-ndb stores, by default in parts: it is never read as empty, and never written over in silence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import google.cloud.ndb as ndb
import pytest
from cendry import DELETE_FIELD, Cendry, DecodeError, Field, FieldPath, Map, Model, field
from cendry_datastore import DatastoreBackend
from google.cloud import datastore


class Address(Map):
    street: Field[str | None] = field(default=None)
    city: Field[str | None] = field(default=None)


class Deep(Map):
    address: Field[Address | None] = field(default=None)


class User(Model, collection="NdbUser"):
    name: Field[str | None] = field(default=None)
    home: Field[Address | None] = field(default=None)
    others: Field[list[Address]] = field(default_factory=list)
    d: Field[Deep | None] = field(default=None)
    local: Field[Deep | None] = field(default=None)
    locals: Field[list[Deep]] = field(default_factory=list)


class Kept(Model, collection="NdbUser", extra="keep"):
    name: Field[str | None] = field(default=None)
    home: Field[Address | None] = field(default=None)
    others: Field[list[Address]] = field(default_factory=list)


class Ndb:
    """ndb's own models, on the same project.

    Args:
        project: The project id.
    """

    def __init__(self, project: str) -> None:
        self.client = ndb.Client(project=project)

        class NdbAddress(ndb.Model):  # type: ignore[misc]  # ndb has no types.
            street = ndb.StringProperty()
            city = ndb.StringProperty()

        class NdbDeep(ndb.Model):  # type: ignore[misc]  # ndb has no types.
            address = ndb.StructuredProperty(NdbAddress)

        class NdbUser(ndb.Model):  # type: ignore[misc]  # ndb has no types.
            name = ndb.StringProperty()
            home = ndb.StructuredProperty(NdbAddress)
            others = ndb.StructuredProperty(NdbAddress, repeated=True)
            d = ndb.StructuredProperty(NdbDeep)
            local = ndb.LocalStructuredProperty(NdbDeep)
            locals = ndb.LocalStructuredProperty(NdbDeep, repeated=True)
            bio = ndb.TextProperty(compressed=True)
            notes = ndb.TextProperty(compressed=True, repeated=True)

        self.Address, self.Deep, self.User = NdbAddress, NdbDeep, NdbUser

    def put(self, legacy: bool = True, **properties: Any) -> None:
        """Store a user."""
        with self.client.context(legacy_data=legacy):
            self.User(id="a", **properties).put()

    def get(self) -> dict[str, Any]:
        """The user as ndb reads it."""
        with self.client.context():
            found: dict[str, Any] = self.User.get_by_id("a").to_dict()
            return found


@pytest.fixture
def stored(datastore_host: str, project: str) -> Ndb:
    """ndb on the emulator."""
    return Ndb(project)


def raw(sdk: Any) -> dict[str, Any]:
    """What is stored."""
    return dict(sdk.get(sdk.key("NdbUser", "a")))


def test_what_ndb_stores_in_parts_is_never_read_as_empty(ctx: Cendry, stored: Ndb, sdk: Any) -> None:
    address, deep = stored.Address, stored.Deep
    cases: list[tuple[str, dict[str, Any], str]] = [
        ("home", {"home": address(street="Main", city="Rome")}, r"home\.city"),
        ("others", {"others": [address(street="1"), address(city="x")]}, r"others\.city"),
        ("d", {"d": deep(address=address(city="c"))}, r"d\.address\.city"),
        ("local.address", {"local": deep(address=address(city="c"))}, r"address\.city"),
        ("locals[1].address", {"locals": [deep(), deep(address=address(city="c"))]}, r"address\.city"),
    ]
    for name, properties, part in cases:
        stored.put(name="Ada", **properties)
        before = raw(sdk)
        ways: list[Callable[[], Any]] = [
            lambda: ctx.get(User, "a"),
            lambda: ctx.find(User, "a"),
            lambda: ctx.get_many(User, ["a"]),
            lambda: ctx.select(User).to_list(),
            lambda: ctx.select(User).first(),
            lambda: list(ctx.select(User, User.name == "Ada")),
            lambda: ctx.transaction(lambda txn: txn.get(User, "a")),
            lambda: ctx.get_or_create(User, "a", {User.name: "x"}),
            lambda: ctx.refresh(User(id="a")),
        ]
        for way in ways:
            with pytest.raises(DecodeError, match="ndb=True.*legacy_data=False") as error:
                way()
            assert (name, "NdbUser/a") == (error.value.field, error.value.path)
            assert part.replace("\\", "") in str(error.value)
        errors: list[DecodeError] = []
        assert [] == list(ctx.select(User, on_error=errors.append))
        assert [name] == [one.field for one in errors]
        assert before == raw(sdk)


def test_what_ndb_stores_whole_is_read(ctx: Cendry, stored: Ndb, sdk: Any) -> None:
    address, deep = stored.Address, stored.Deep
    stored.put(
        legacy=False,
        name="Ada",
        home=address(street="Main"),
        others=[address(street="1"), address(city="x")],
        d=deep(address=address(city="c")),
    )
    user = ctx.get(User, "a")
    assert (Address(street="Main"), Deep(address=Address(city="c"))) == (user.home, user.d)
    assert [Address(street="1"), Address(city="x")] == user.others
    stored.put(name="Ada")
    assert User(id="a", name="Ada") == ctx.get(User, "a")


def test_projections_are_not_empty_either(ctx: Cendry, stored: Ndb, sdk: Any) -> None:
    address, deep = stored.Address, stored.Deep
    stored.put(
        name="Ada",
        home=address(street="Main", city="Rome"),
        others=[address(street="1")],
        d=deep(address=address(city="c")),
        local=deep(address=address(city="c")),
    )
    paths: list[Any] = [
        User.home,
        "home.street",
        "home.city",
        User.others,
        User.d,
        "d.address",
        "d.address.city",
        User.local,
        "local.address",
        "local.address.city",
    ]
    for path in paths:
        with pytest.raises(DecodeError, match="ndb=True"):
            ctx.select(User).project(path).to_list()
        with pytest.raises(DecodeError, match="ndb=True"):
            ctx.select(User).project(User.name, path).to_list()
    assert [{"id": "a", "name": "Ada", "locals": []}] == ctx.select(User).project(User.name, User.locals).to_list()
    stored.put(legacy=False, home=address(street="Main"), d=deep(address=address(city="c")))
    [row] = ctx.select(User).project(User.home, "d.address.city", User.others)
    assert {"id": "a", "home": Address(street="Main"), "d.address.city": "c", "others": []} == row


def test_projections_of_free_maps(ctx: Cendry, stored: Ndb) -> None:
    class Free(Model, collection="NdbUser"):
        home: Field[dict[str, Any] | None] = field(default=None)
        d: Field[Any] = field(default=None)
        local: Field[dict[str, Any] | None] = field(default=None)

    stored.put(
        home=stored.Address(street="Main"),
        d=stored.Deep(address=stored.Address(city="c")),
        local=stored.Deep(address=stored.Address(city="c")),
    )
    for path in (Free.home, Free.d):
        with pytest.raises(DecodeError, match="ndb=True"):
            ctx.select(Free).project(path).to_list()
    with pytest.raises(DecodeError, match="ndb=True"):
        ctx.get(Free, "a")
    # The names in a free map are its own.
    [row] = ctx.select(Free).project(Free.local)
    assert {"address.city": "c", "address.street": None} == row["local"]


def change_home(ctx: Cendry, way: str) -> None:
    match way:
        case "dotted":
            ctx.update(User, "a", {"home.street": "Side"})
        case "whole":
            ctx.update(User, "a", {User.home: Address(street="Side")})
        case "none":
            ctx.update(User, "a", {User.home: None})
        case "removed":
            ctx.update(User, "a", {User.home: DELETE_FIELD})
        case "removed inside":
            ctx.update(User, "a", {"home.street": DELETE_FIELD})
        case "deep":
            ctx.update(User, "a", {"d.address.city": "Bern"})
        case "deeper in a map":
            ctx.update(User, "a", {"local.address.city": "Bern"})
        case "list":
            ctx.update(User, "a", {User.others: []})
        case "keep":
            ctx.save(Kept(id="a", name="x"))
        case "batch":
            with ctx.batch() as batch:
                batch.update(User, "a", {User.name: "x"})
                batch.update(User, "a", {"home.street": "Side"})
        case _:
            ctx.transaction(lambda txn: txn.update(User, "a", {"home.street": "Side"}))


@pytest.mark.parametrize(
    "way",
    [
        *("dotted", "whole", "none", "removed", "removed inside", "deep", "deeper in a map", "list", "keep", "batch"),
        "transaction",
    ],
)
def test_no_change_puts_a_map_beside_the_parts(ctx: Cendry, stored: Ndb, sdk: Any, way: str) -> None:
    address, deep = stored.Address, stored.Deep
    stored.put(
        name="Ada",
        home=address(street="Main", city="Rome"),
        others=[address(street="1")],
        d=deep(address=address(city="c")),
        local=deep(address=address(city="c")),
    )
    before, as_ndb = raw(sdk), stored.get()
    with pytest.raises(DecodeError, match="ndb=True") as error:
        change_home(ctx, way)
    assert "NdbUser/a" == error.value.path
    assert (before, as_ndb) == (raw(sdk), stored.get())
    # What is stored whole can be changed.
    ctx.update(User, "a", {User.name: "Grace"})
    assert {**as_ndb, "name": "Grace"} == stored.get()


def test_parts_beside_a_null_are_no_empty_value(ctx: Cendry, sdk: Any, backend: DatastoreBackend) -> None:
    entity = datastore.Entity(sdk.key("NdbUser", "a"))
    entity.update({"home": None, "home.street": "Main"})
    sdk.put(entity)
    for way in (lambda: ctx.get(User, "a"), lambda: ctx.select(User).project(User.home).to_list()):
        with pytest.raises(DecodeError, match="ndb=True"):
            way()
    with pytest.raises(DecodeError, match="ndb=True"):
        ctx.update(User, "a", {"home.city": "x"})


def test_what_is_stored_whole_is_read_although_there_are_parts(ctx: Cendry, sdk: Any) -> None:
    home = datastore.Entity()
    home.update(street="Main")
    entity = datastore.Entity(sdk.key("NdbUser", "a"))
    entity.update({"home": home, "home.street": "Side", "others": [], "others.street": ["x"], "name.first": "A"})
    entity["name"] = "Ada"
    sdk.put(entity)
    user = ctx.get(User, "a")
    assert ("Ada", Address(street="Main"), []) == (user.name, user.home, user.others)
    ctx.update(User, "a", {"home.city": "Rome"})
    assert Address(street="Main", city="Rome") == ctx.get(User, "a").home


class Parts(Model, collection="NdbUser", extra="keep"):
    """The parts as fields of their own."""

    name: Field[str | None] = field(default=None)
    street: Field[str | None] = field(default=None, alias="home.street")
    city: Field[str | None] = field(default=None, alias="home.city")
    streets: Field[list[str | None]] = field(default_factory=list, alias="others.street")


class Both(Model, collection="NdbUser", extra="keep"):
    home: Field[Address | None] = field(default=None)
    street: Field[str | None] = field(default=None, alias="home.street")
    city: Field[str | None] = field(default=None, alias="home.city")


def test_parts_that_are_declared_are_fields(ctx: Cendry, stored: Ndb, sdk: Any) -> None:
    stored.put(home=stored.Address(street="Main", city="Rome"), others=[stored.Address(street="1")])
    [found] = ctx.select(Parts, Parts.city == "Rome")
    assert ("Main", ["1"]) == (found.street, found.streets)
    found.street = "Side"
    ctx.save(found)
    ctx.update(found, {Parts.city: "Bern"})
    [row] = ctx.select(Parts).project(Parts.street, Parts.city)
    assert {"id": "a", "street": "Side", "city": "Bern"} == row
    assert {"street": "Side", "city": "Bern"} == stored.get()["home"]
    assert ["1"] == [one["street"] for one in stored.get()["others"]]
    both = ctx.get(Both, "a")
    assert (None, "Side") == (both.home, both.street)
    both.street = "Back"
    ctx.save(both)
    assert "Back" == raw(sdk)["home.street"]


def test_a_mask_for_what_is_absent_or_in_the_way(ctx: Cendry, sdk: Any) -> None:
    entity = datastore.Entity(sdk.key("NdbUser", "a"))
    entity.update({"name": "x", "homely.street": "Main"})
    sdk.put(entity)
    ctx.update(User, "a", {"home.street": "Side", "name": "y"})
    assert Address(street="Side") == ctx.get(User, "a").home
    ctx.update(User, "a", {FieldPath("name", "x", "y"): 1})
    assert {"x": {"y": 1}} == raw(sdk)["name"]


def test_compressed_values_stay_compressed_for_ndb(ctx: Cendry, stored: Ndb) -> None:
    class Bytes(Model, collection="NdbUser"):
        name: Field[str | None] = field(default=None)
        bio: Field[bytes | None] = field(default=None)
        notes: Field[list[bytes]] = field(default_factory=list)

    stored.put(name="Ada", bio="a long story", notes=["one", "two", "three"])
    user = ctx.get(Bytes, "a")
    user.name, user.notes = "Grace", user.notes[1:]
    ctx.save(user)
    found = stored.get()
    assert ("Grace", "a long story", ["two", "three"]) == (found["name"], found["bio"], found["notes"])
    with ctx.batch() as batch:
        batch.update(user, {Bytes.notes: user.notes[::-1]})
    assert ["three", "two"] == stored.get()["notes"]


def test_what_ndb_puts_again_without_legacy_data_is_read_whole(ctx: Cendry, stored: Ndb, sdk: Any) -> None:
    stored.put(home=stored.Address(street="Main"), others=[stored.Address(city="x")])
    as_ndb = stored.get()
    with stored.client.context(legacy_data=False):
        stored.User.get_by_id("a").put()
    user = ctx.get(User, "a")
    assert (Address(street="Main"), [Address(city="x")]) == (user.home, user.others)
    assert as_ndb == stored.get()
    user.others.append(Address(street="new"))
    ctx.save(user)
    assert ["x", None] == [one["city"] for one in stored.get()["others"]]


def test_a_projection_of_what_is_absent_in_a_map_has_no_map(ctx: Cendry, stored: Ndb) -> None:
    class Plain(Map):
        city: Field[str | None] = field(default=None)

    class Home(Map):
        zip: Field[str] = field(default="none")
        plain: Field[Plain | None] = field(default=None)

    class Shop(Model, collection="NdbUser"):
        home: Field[Home | None] = field(default=None)

    stored.put(legacy=False, home=stored.Address(street="Main"))
    [row] = ctx.select(Shop).project("home.zip", "home.plain.city")
    assert {"id": "a", "home.zip": None, "home.plain.city": None} == row


class Animal(Model, collection="NdbAnimal", tag_field="class", tag=("NdbAnimal",)):
    name: Field[str | None] = field(default=None)


class Cat(Animal, tag=("NdbAnimal", "NdbCat")):
    lives: Field[int | None] = field(default=None)


class Siamese(Cat, tag=("NdbAnimal", "NdbCat", "NdbSiamese")):
    pass


class Dog(Animal, tag=("NdbAnimal", "NdbDog")):
    pass


@pytest.mark.usefixtures("stored")
def test_what_a_polymodel_stores_is_read_as_its_class_and_the_other_way_round(
    ctx: Cendry, project: str, sdk: Any
) -> None:
    class NdbAnimal(ndb.PolyModel):  # type: ignore[misc]  # ndb has no types.
        name = ndb.StringProperty()

    class NdbCat(NdbAnimal):
        lives = ndb.IntegerProperty()

    class NdbSiamese(NdbCat):
        pass

    class NdbDog(NdbAnimal):
        pass

    client = ndb.Client(project=project)
    with client.context(cache_policy=False):
        for number, kind in enumerate((NdbAnimal, NdbCat, NdbSiamese, NdbDog)):
            kind(id="abcd"[number], name=f"by ndb {number}").put()
        NdbCat(id="e", name="nine", lives=9).put()
    animals = [
        Animal(id="a", name="by ndb 0"),
        Cat(id="b", name="by ndb 1"),
        Siamese(id="c", name="by ndb 2"),
        Dog(id="d", name="by ndb 3"),
        Cat(id="e", name="nine", lives=9),
    ]
    assert animals == ctx.get_many(Animal, list("abcde")) == sorted(ctx.select(Animal), key=lambda one: str(one.id))
    assert ["b", "c", "e"] == sorted(ctx.select(Cat).ids())
    assert (["c"], ["d"]) == (ctx.select(Siamese).ids(), ctx.select(Dog).ids())
    assert [animals[4]] == ctx.select(Cat, Cat.name == "nine").to_list()
    assert (None, False, True) == (ctx.find(Dog, "b"), ctx.exists(Dog, "b"), ctx.exists(Cat, "c"))

    before = {name: dict(sdk.get(sdk.key("NdbAnimal", name))) for name in "bc"}
    for animal in animals[1:3]:
        ctx.save(animal)
    assert before == {name: dict(sdk.get(sdk.key("NdbAnimal", name))) for name in "bc"}
    ctx.save(Siamese(id="f", name="by Cendry", lives=7))
    ctx.update(Animal, "d", {Animal.name: "changed"})
    with client.context(cache_policy=False):
        found = NdbAnimal.get_by_id("f")
        assert (NdbSiamese, "by Cendry", 7) == (type(found), found.name, found.lives)
        assert ["NdbAnimal", "NdbCat", "NdbSiamese"] == found.class_
        assert (NdbDog, "changed") == (type(NdbAnimal.get_by_id("d")), NdbAnimal.get_by_id("d").name)
        assert ["b", "c", "e", "f"] == sorted(one.key.id() for one in NdbCat.query())
        assert ["c", "f"] == sorted(one.key.id() for one in NdbSiamese.query())
        assert ["b", "c", "e", "f"] == sorted(one.key.id() for one in NdbAnimal.query(NdbAnimal.class_ == "NdbCat"))
