"""Versions of models: definition, the chain of upgrades, and what reads make of old documents."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Callable
from datetime import datetime, timezone
from functools import partial
from typing import Any, cast

import pytest
from cendry import (
    Cendry,
    DecodeError,
    Field,
    FieldPath,
    GeoPoint,
    Map,
    MemoryBackend,
    Model,
    Problem,
    Ref,
    ValidationError,
    Vector,
    field,
    from_dict,
    json_schema,
    to_dict,
    upgrade,
    validate,
)
from cendry._model.metadata import upgraded
from cendry._types.evolutions import Evolution, Upgraded, evolution_of
from cendry.codec import codec_for, source_of
from cendry.codec.message import decoder, encoder
from cendry.codec.reading import STORED
from cendry.codec.upgrading import run_upgrades
from cendry.plan import Set


class City(Model, collection="cities", version=3):
    name: Field[str]
    country: Field[str]
    population: Field[int] = field(default=0)


@upgrade(City, to=2)
def name_it(data: dict[str, Any]) -> dict[str, Any]:
    rest = {name: value for name, value in data.items() if name != "title"}
    return {**rest, "name": data.get("title", rest.get("name"))}


@upgrade(City, to=3)
def add_country(data: dict[str, Any]) -> dict[str, Any]:
    return {**data, "country": data.get("country", "USA")}


OLD = {"title": "San Francisco", "population": 870_000}
NEW = {"name": "San Francisco", "country": "USA", "population": 870_000}
SF = City(id="SF", name="San Francisco", country="USA", population=870_000)


def decoded(model: type[Any], data: dict[str, Any]) -> Any:
    return codec_for(model).decode(data, "SF", "cities/SF")


# Definition


def test_the_versions_of_a_class_are_kept_on_it() -> None:
    class Town(Model, collection="towns", version=5, version_field="v", oldest=4):
        name: Field[str]

    evolution = cast("Evolution", evolution_of(Town))
    assert (5, "v", 4, {}) == (evolution.version, evolution.version_field, evolution.oldest, evolution.upgrades)
    assert {2: name_it, 3: add_country} == cast("Evolution", evolution_of(City)).upgrades
    assert "_cendry_version" == cast("Evolution", evolution_of(City)).version_field
    assert None is cast("Evolution", evolution_of(City)).oldest


def test_a_class_without_versions_has_none_and_the_same_code_as_ever() -> None:
    class Plain(Model, collection="cities"):
        name: Field[str]
        country: Field[str]
        population: Field[int] = field(default=0)

    codec = codec_for(Plain)
    assert (None, "") == (codec.evolution, codec.shape.version_field)
    assert codec.decode is codec.current(STORED)
    assert "_cendry_version" not in source_of(Plain)
    check = "    if data.get('_cendry_version') is not current:\n        return upgrade(data, document_id, path)\n"
    assert source_of(City).count(check) == 1
    assert source_of(Plain) == source_of(City).replace(check, "").replace("City", "Plain")


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"version": 0}, "Bad: version= takes an int of at least 1, not 0."),
        ({"version": -3}, "Bad: version= takes an int of at least 1, not -3."),
        ({"version": True}, "Bad: version= takes an int of at least 1, not True."),
        ({"version": "2"}, "Bad: version= takes an int of at least 1, not '2'."),
        ({"version": 2.0}, "Bad: version= takes an int of at least 1, not 2.0."),
        (
            {"version": 2**63},
            "Bad: version=9223372036854775808 is more than the largest int that Firestore stores, 9223372036854775807.",
        ),
        ({"version": 2, "oldest": 3}, "Bad: oldest=3 is more than version=2."),
        ({"version": 2, "oldest": 0}, "Bad: oldest= takes an int of at least 1, not 0."),
        ({"version": 2, "oldest": False}, "Bad: oldest= takes an int of at least 1, not False."),
        ({"oldest": 1}, "Bad: oldest= is for a class with version=, which has to be beside it."),
        ({"version_field": "v"}, "Bad: version_field= is for a class with version=, which has to be beside it."),
        ({"version": 2, "version_field": ""}, "Bad: version_field='' is not valid: a key must not be empty."),
        ({"version": 2, "version_field": 5}, "Bad: version_field=5 is not valid: a key must be a str, not int."),
        (
            {"version": 2, "version_field": "__v__"},
            "Bad: version_field='__v__' is not valid: keys of the form __...__ are reserved.",
        ),
        (
            {"version": 2, "version_field": "_cendry_v"},
            "Bad: version_field='_cendry_v' is not valid: names that start with _cendry are reserved.",
        ),
        (
            {"version": 2, "version_field": "id"},
            "Bad: version_field='id' is not valid: that is the document's id; store versions under another name.",
        ),
        (
            {"version": 2, "version_field": "kind"},
            "Bad.kind: Bad stores versions as 'kind', so no field can have that name.",
        ),
        (
            {"version": 2, "version_field": "k"},
            "Bad.kind: Bad stores versions as 'k', so no field can have that stored name.",
        ),
        (
            {"version": 2, "version_field": "t", "tag_field": "t", "tag": "bad"},
            "Bad: its tags and its versions would both be stored as 't'; change one name.",
        ),
    ],
)
def test_wrong_class_keywords_are_refused(keywords: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError) as caught:

        class Bad(Model, collection="bad", **keywords):
            kind: Field[str] = field(alias="k")

    assert message == str(caught.value)


@pytest.mark.parametrize("keyword", ["version", "version_field", "oldest"])
def test_a_map_has_no_version(keyword: str) -> None:
    keywords: Any = {keyword: 1}
    with pytest.raises(TypeError, match=f"^Bad: a Map is stored inside documents: {keyword}= is for Models.$"):

        class Bad(Map, **keywords):
            x: Field[int]


def test_the_decorator_returns_the_function_unchanged() -> None:
    assert ("add_country", {"country": "USA"}) == (add_country.__name__, add_country({}))


class Base(Model, abstract=True, version=2):
    name: Field[str]


class Heir(Base, collection="heirs"): ...


class Unversioned(Model, collection="plain"):
    name: Field[str]


@pytest.mark.parametrize(
    ("model", "to", "message"),
    [
        (City, 4, "@upgrade(City, to=4): City has version=3; its upgrades lead to versions 2 to 3."),
        (City, 1, "@upgrade(City, to=1): City has version=3; its upgrades lead to versions 2 to 3."),
        (City, 0, "@upgrade(City, to=0): City has version=3; its upgrades lead to versions 2 to 3."),
        (City, True, "@upgrade(City) takes to= as an int, not True."),
        (City, "2", "@upgrade(City) takes to= as an int, not '2'."),
        (Unversioned, 2, "Unversioned has no version=, which upgrades are for: give it one."),
        (Model, 2, "Model has no version=, which upgrades are for: give it one."),
        (int, 2, "upgrade() takes a Model with version=, not <class 'int'>."),
        ("City", 2, "upgrade() takes a Model with version=, not 'City'."),
        (Heir, 2, "Heir has the version and the upgrades of Base: write @upgrade(Base, to=...)."),
    ],
)
def test_wrong_arguments_of_the_decorator_are_refused(model: Any, to: Any, message: str) -> None:
    with pytest.raises(TypeError) as caught:
        upgrade(model, to=to)
    assert message == str(caught.value)


def test_a_first_version_has_no_upgrades() -> None:
    class First(Model, collection="first", version=1):
        name: Field[str]

    with pytest.raises(TypeError) as caught:
        upgrade(First, to=2)
    assert "@upgrade(First, to=2): First has version=1; there are no upgrades to that." == str(caught.value)
    assert [First(id="SF", name="a")] * 2 == [
        decoded(First, {"name": "a"}),
        decoded(First, {"name": "a", "_cendry_version": 1}),
    ]
    with pytest.raises(DecodeError) as error:
        decoded(First, {"name": "a", "_cendry_version": 2})
    assert str(error.value).startswith("Document 'cities/SF' was written by a newer model (version 2); this one is 1.")


def test_a_version_with_two_upgrades_is_refused() -> None:
    with pytest.raises(TypeError) as caught:
        upgrade(City, to=2)(add_country)
    assert "City has an upgrade to version 2 already, name_it; each version has one." == str(caught.value)
    assert name_it is upgrade(City, to=2)(name_it)


def test_only_functions_that_are_not_awaited_are_upgrades() -> None:
    class Town(Model, collection="towns", version=2):
        name: Field[str]

    async def later(data: dict[str, Any]) -> dict[str, Any]:
        return data

    decorate: Any = upgrade(Town, to=2)
    with pytest.raises(TypeError, match=r"to=2\): an upgrade is not awaited; define it without async\.$"):
        decorate(later)
    with pytest.raises(TypeError, match=r"^@upgrade\(Town, to=2\) decorates a function, not 5\.$"):
        decorate(5)
    assert {} == cast("Evolution", evolution_of(Town)).upgrades


@pytest.mark.parametrize(
    "use",
    [
        lambda cls: decoded(cls, {"name": "a"}),
        lambda cls: decoded(cls, {"name": "a", "_cendry_version": 4}),
        lambda cls: codec_for(cls).encode(cls(name="a")),
        lambda cls: message_encoder(cls)(cls(name="a")),
        lambda cls: message_decoder("firestore", cls)({"name": "a"}),
        lambda cls: message_decoder("datastore", cls)({"name": "a"}),
        lambda cls: run_upgrades(cls, {"name": "a"}, 1, None),
        lambda cls: from_dict(cls, {"name": "a"}, by_alias=True, version=1),
    ],
)
def test_a_gap_in_the_chain_is_found_at_first_use(use: Callable[[Any], object]) -> None:
    class Town(Model, collection="towns", version=4):
        name: Field[str]

    upgrade(Town, to=2)(lambda data: data)
    upgrade(Town, to=4)(lambda data: data)
    message = (
        "Town has version=4 and no upgrade to version 3: decorate one with @upgrade(Town, to=3), in a module that is "
        "imported before Town is used, or declare oldest=3."
    )
    for _ in range(2):
        with pytest.raises(TypeError) as caught:
            use(Town)
        assert message == str(caught.value)
    upgrade(Town, to=3)(lambda data: data)
    assert use(Town) is not None


def test_versions_up_to_the_oldest_need_no_upgrade() -> None:
    class Town(Model, collection="towns", version=4, oldest=3):
        name: Field[str]

    upgrade(Town, to=4)(lambda data: {"name": data["name"] + "!"})
    assert [Town(id="SF", name="a!"), Town(id="SF", name="a")] == [
        decoded(Town, {"name": "a", "_cendry_version": 3}),
        decoded(Town, {"name": "a", "_cendry_version": 4}),
    ]
    for data, version in (({"name": "a", "_cendry_version": 2}, 2), ({"name": "a"}, 1)):
        with pytest.raises(DecodeError) as caught:
            decoded(Town, data)
        name = "test_versions_up_to_the_oldest_need_no_upgrade.<locals>.Town"
        assert (
            f"Document 'cities/SF' is of version {version}, and {name} declares oldest=3. "
            "Backfill the collection, or declare a lower oldest=."
        ) == str(caught.value)
        assert ("_cendry_version", "at least version 3", f"version {version}") == (
            caught.value.field,
            caught.value.expected,
            caught.value.found,
        )


# Inheritance


def test_subclasses_have_the_version_and_the_upgrades_of_their_base() -> None:
    class Place(Model, abstract=True, version=2, version_field="v"):
        name: Field[str]

    class Town(Place, collection="towns"):
        pass

    class Village(Town, collection="villages"):
        pass

    class Hamlet(Village, collection="hamlets", version=1):
        pass

    upgrade(Place, to=2)(lambda data: {"name": data["title"]})
    assert evolution_of(Place) is evolution_of(Town) is evolution_of(Village)
    assert [("a", "a")] == [(decoded(Town, {"title": "a"}).name, decoded(Village, {"title": "a", "v": 1}).name)]
    # A version of its own comes with upgrades of its own, and with the default name.
    assert (1, "_cendry_version", {}) == (
        (own := cast("Evolution", evolution_of(Hamlet))).version,
        own.version_field,
        own.upgrades,
    )
    assert "b" == decoded(Hamlet, {"name": "b"}).name


def test_bases_with_versions_of_their_own_are_refused() -> None:
    class One(Model, abstract=True, version=2): ...

    class Two(Model, abstract=True, version=2): ...

    class Below(One, abstract=True, version=3): ...

    class Beside(One, abstract=True): ...

    with pytest.raises(TypeError) as caught:

        class Bad(One, Two, collection="bad"): ...

    assert "Bad: its bases have versions of their own, those of One and Two; give it version=." == str(caught.value)

    class Good(One, Two, collection="good", version=1): ...

    class Diamond(Below, Beside, collection="diamonds"): ...

    assert (Good, Below) == (
        cast("Evolution", evolution_of(Good)).owner,
        cast("Evolution", evolution_of(Diamond)).owner,
    )


def test_a_field_of_a_subclass_cannot_be_stored_as_the_version() -> None:
    class Place(Model, abstract=True, version=2, version_field="v"): ...

    with pytest.raises(TypeError, match=r"^Bad\.v: Place stores versions as 'v', so no field can have that"):

        class Bad(Place, collection="bad"):
            v: Field[int]


# Tagged models


class Animal(Model, collection="animals", tag_field="kind", tag=None, version=2):
    name: Field[str]


class Dog(Animal, tag="dog", extra="keep"):
    tricks: Field[int] = field(default=0)


class Cat(Animal, tag="cat"): ...


@upgrade(Animal, to=2)
def move_kind(data: dict[str, Any]) -> dict[str, Any]:
    """The tag was stored under another name."""
    rest = {name: value for name, value in data.items() if name != "species"}
    return {**rest, "kind": data["species"]} if "species" in data else rest


def test_documents_of_tagged_models_are_upgraded_before_the_tag_is_looked_at() -> None:
    old = {"name": "Rex", "species": "dog", "tricks": 5}
    assert [Dog(id="SF", name="Rex", tricks=5)] * 2 == [decoded(Animal, old), decoded(Dog, old)]
    assert Dog(id="SF", name="Rex") == decoded(Animal, {"name": "Rex", "kind": "dog", "_cendry_version": 2})
    assert Animal(id="SF", name="Rex") == decoded(Animal, {"name": "Rex", "_cendry_version": 2})
    with pytest.raises(DecodeError) as caught:
        decoded(Cat, old)
    assert caught.value.is_other_kind


def test_newer_documents_of_tagged_models_are_read_by_classes_that_keep_what_they_do_not_know() -> None:
    newer = {"name": "Rex", "kind": "dog", "_cendry_version": 3, "more": 1}
    dog = decoded(Animal, newer)
    assert (Dog(id="SF", name="Rex"), 3) == (dog, vars(dog)["_cendry_upgraded"].version)
    with pytest.raises(DecodeError, match="^Document 'cities/SF' was written by a newer model"):
        decoded(Animal, {**newer, "kind": "cat"})
    with pytest.raises(DecodeError) as caught:
        decoded(Cat, newer)
    assert caught.value.is_other_kind


@pytest.mark.parametrize("keyword", [{"version": 3}, {"version_field": "v"}, {"oldest": 1}])
def test_a_tagged_subclass_has_no_version_of_its_own(keyword: Any) -> None:
    with pytest.raises(TypeError) as caught:

        class Bad(Animal, tag="bad", **keyword): ...

    assert (
        "Bad: it is a subclass of Animal, and its documents are in 'animals' too; "
        f"leave out {next(iter(keyword))}=." == str(caught.value)
    )


def test_a_tagged_subclass_inherits_no_other_version() -> None:
    class Plain(Model, collection="plain", tag_field="kind", tag=None): ...

    with pytest.raises(TypeError) as caught:

        class Bad(Base, Plain, tag="bad"): ...

    message = "Bad: Base, one of its bases, has version=, and documents of Plain have no versions."
    assert message == str(caught.value)
    with pytest.raises(TypeError) as caught:

        class Worse(Base, Animal, tag="worse"): ...

    message = "Worse: Base, one of its bases, has version=, and documents of Animal have other versions."
    assert message == str(caught.value)


# Reading


def test_an_old_document_is_upgraded_and_the_instance_remembers_it() -> None:
    for data, version, removed, changed in (
        (OLD, 1, {"title"}, {"title", "name", "country"}),
        ({**OLD, "_cendry_version": 1}, 1, {"title"}, {"title", "name", "country"}),
        ({"name": "San Francisco", "population": 870_000, "_cendry_version": 2}, 2, set[str](), {"country"}),
    ):
        given = copy.deepcopy(data)
        city = decoded(City, data)
        assert SF == city
        assert Upgraded(version, frozenset(removed), frozenset(changed)) == vars(city)["_cendry_upgraded"]
        assert given == data


def test_a_current_document_leaves_nothing_in_the_instance() -> None:
    city = decoded(City, {**NEW, "_cendry_version": 3})
    assert SF == city
    assert {"id", "name", "country", "population"} == set(vars(city))


@pytest.mark.parametrize(
    ("found", "shown"),
    [
        ("3", "str '3'"),
        (True, "bool True"),
        (3.0, "float 3.0"),
        (None, "None"),
        (0, "int 0"),
        (-1, "int -1"),
        ([3], "list [3]"),
        ({"a": 1}, "dict {'a': 1}"),
    ],
)
def test_a_stored_version_that_is_none_is_a_decode_error(found: Any, shown: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decoded(City, {**NEW, "_cendry_version": found})
    assert (
        "Document 'cities/SF' doesn't fit City: _cendry_version: expected a version, which is an int of at least 1, "
        f"found {shown}."
    ) == str(caught.value)


@pytest.mark.parametrize("version", [4, 2**63 - 1])
def test_a_document_of_a_newer_model_is_a_decode_error(version: int) -> None:
    with pytest.raises(DecodeError) as caught:
        decoded(City, {**NEW, "_cendry_version": version})
    error = pickle.loads(pickle.dumps(caught.value))
    assert (
        f"Document 'cities/SF' was written by a newer model (version {version}); this one is 3. "
        'Update this program; before the next version, declare extra="keep", which reads newer documents.'
    ) == str(error)
    assert ("cities/SF", "City", "_cendry_version", "at most version 3", f"version {version}") == (
        error.path,
        error.model,
        error.field,
        error.expected,
        error.found,
    )


def test_a_version_beyond_small_integers_is_recognised_by_its_value() -> None:
    class Many(Model, collection="many", version=1000, oldest=1000):
        name: Field[str]

    many = decoded(Many, {"name": "a", "_cendry_version": int("1000")})
    assert (Many(id="SF", name="a"), {"id", "name"}) == (many, set(vars(many)))


def test_newer_documents_are_read_with_extra_keep() -> None:
    class Kept(Model, collection="cities", version=2, oldest=2, extra="keep"):
        name: Field[str]

    kept = decoded(Kept, {"name": "a", "more": 1, "_cendry_version": 7})
    assert (Kept(id="SF", name="a"), Upgraded(7)) == (kept, vars(kept)["_cendry_upgraded"])


def test_the_version_is_not_an_unknown_key() -> None:
    class Strict(Model, collection="strict", version=2, extra="forbid"):
        name: Field[str]
        size: Field[int] = field(default=0)

    upgrade(Strict, to=2)(lambda data: data)
    for data in ({"name": "a", "size": 0}, {"name": "a"}):
        assert [Strict(id="SF", name="a")] * 3 == [
            decoded(Strict, {**data, "_cendry_version": 2}),
            decoded(Strict, {**data, "_cendry_version": 1}),
            decoded(Strict, data),
        ]
        for version in (1, 2):
            with pytest.raises(DecodeError, match="found the key 'more'"):
                decoded(Strict, {**data, "more": 1, "_cendry_version": version})
    # The slow reader knows it too.
    assert "1" == decoded(Strict, {"name": type("Text", (str,), {})("1"), "_cendry_version": 2}).name


# Upgrades at fault


def town_with(function: Any, **keywords: Any) -> Any:
    class Town(Model, collection="towns", version=2):
        name: Field[str] = field(**keywords)
        parts: Field[list[dict[str, int]]] = field(default_factory=list)

    Town.__qualname__ = "Town"
    upgrade(Town, to=2)(function)
    return Town


def contain_itself(data: dict[str, Any]) -> dict[str, Any]:
    inside: dict[str, Any] = {}
    inside["parts"] = inside
    return {**data, "inside": inside}


def change_inside(data: dict[str, Any]) -> dict[str, Any]:
    data["parts"][0]["a"] = 2
    return {**data}


def drop_inside(data: dict[str, Any]) -> dict[str, Any]:
    data["parts"].pop()
    return data


def rename_inside(data: dict[str, Any]) -> dict[str, Any]:
    data["parts"][0]["b"] = data["parts"][0].pop("a")
    return data


def put_something_else(data: dict[str, Any]) -> dict[str, Any]:
    class Odd:
        def __eq__(self, other: object) -> bool:
            raise ValueError

        __hash__ = None  # type: ignore[assignment]  # As for a class that has its own equality.

    data["parts"][0]["a"] = Odd()
    return data


def change_field(data: dict[str, Any]) -> dict[str, Any]:
    data["name"] = "other"
    return data


def add_field(data: dict[str, Any]) -> dict[str, Any]:
    data["more"] = 1
    return data


def change_and_fail(data: dict[str, Any]) -> Any:
    data["more"] = 1


def fail(data: dict[str, Any]) -> dict[str, Any]:
    return {"name": data["missing"]}


def fail_badly(_: dict[str, Any]) -> dict[str, Any]:
    class Bad(Exception):
        def __str__(self) -> str:
            raise ValueError

    raise Bad


CHANGED = "changed the dict that it was given; return a new one, such as {**data, ...}"


@pytest.mark.parametrize(
    ("function", "found"),
    [
        (change_inside, f"change_inside() {CHANGED}"),
        (drop_inside, f"drop_inside() {CHANGED}"),
        (rename_inside, f"rename_inside() {CHANGED}"),
        (put_something_else, f"put_something_else() {CHANGED}"),
        (change_field, f"change_field() {CHANGED}"),
        (add_field, f"add_field() {CHANGED}"),
        (change_and_fail, "change_and_fail() returned None, which is not a dict"),
        (fail, "fail() raised KeyError: 'missing'"),
        (fail_badly, "fail_badly() raised Bad: its text can't be shown"),
        (lambda _: [("name", "a")], "<lambda>() returned an object of list, which is not a dict"),
        (partial(fail), "partial() raised KeyError: 'missing'"),
        (contain_itself, "contain_itself() raised RecursionError: maximum recursion depth exceeded"),
    ],
)
def test_an_upgrade_at_fault_is_a_decode_error(function: Any, found: str) -> None:
    town = town_with(function)
    with pytest.raises(DecodeError) as caught:
        decoded(town, {"name": "a", "parts": [{"a": 1}]})
    error = caught.value
    assert str(error).startswith(f"Document 'cities/SF' can't be upgraded to version 2 of Town: {found}")
    assert ("cities/SF", "Town", "_cendry_version", "an upgrade to version 2") == (
        error.path,
        error.model,
        error.field,
        error.expected,
    )
    assert error.found in str(error)
    assert ("raised" in found) == (error.__cause__ is not None)


@pytest.mark.parametrize("is_in_subclass", [False, True])
def test_what_an_upgrade_raises_is_hidden_if_fields_are(is_in_subclass: bool) -> None:
    class Person(Model, collection="people", version=2, tag_field="kind", tag="person"):
        name: Field[str] = field(repr=is_in_subclass)

    class Patient(Person, tag="patient"):
        illness: Field[str] = field(repr=False)

    def up(data: dict[str, Any]) -> dict[str, Any]:
        raise ValueError(data["name"])

    upgrade(Person, to=2)(up)
    with pytest.raises(DecodeError) as caught:
        decoded(Person, {"name": "secret"})
    assert ("up() raised ValueError", None) == (caught.value.found, caught.value.__cause__)
    assert "secret" not in str(caught.value)
    assert Patient is not Person


def test_what_an_upgrade_raises_is_hidden_if_it_is_not_known_yet_whether_fields_are() -> None:
    class Person(Model, collection="people", version=2, tag_field="kind", tag="person"):
        name: Field[str]

    class Patient(Person, tag="patient"):
        illness: Field[Later]  # type: ignore[name-defined]  # noqa: F821

    upgrade(Person, to=2)(fail)
    with pytest.raises(DecodeError) as caught:
        decoded(Person, {"name": "a"})
    assert ("fail() raised KeyError", "Patient") == (caught.value.found, Patient.__name__)


def test_what_an_upgrade_returns_has_to_fit() -> None:
    town = town_with(lambda data: {"name": 5})
    with pytest.raises(DecodeError) as caught:
        decoded(town, {})
    assert (
        "Document 'cities/SF' doesn't fit Town: name: expected str, found int 5 "
        "(after its upgrade from version 1 to 2)."
    ) == str(pickle.loads(pickle.dumps(caught.value)))


def test_a_result_may_be_what_was_given_or_share_parts_of_it() -> None:
    town = town_with(lambda data: data)
    data = {"name": "a", "parts": [{"a": 1}]}
    found = decoded(town, data)
    assert ([{"a": 1}], Upgraded(1)) == (found.parts, vars(found)["_cendry_upgraded"])
    found.parts[0]["a"] = 2
    assert {"name": "a", "parts": [{"a": 1}]} != data or found.parts[0] is not data["parts"][0]


def test_instances_share_nothing_with_what_an_upgrade_keeps() -> None:
    constant: dict[str, Any] = {"tags": [1], "more": {"a": [1]}}

    class Town(Model, collection="towns", version=2):
        tags: Field[Any]
        more: Field[dict[str, Any]]

    upgrade(Town, to=2)(lambda data: {**data, **constant})
    found = decoded(Town, {})
    found.tags.append(2)
    found.more["a"].append(2)
    assert {"tags": [1], "more": {"a": [1]}} == constant
    assert ([1], {"a": [1]}) == (decoded(Town, {}).tags, decoded(Town, {}).more)


def test_the_version_in_a_result_is_left_out() -> None:
    town = town_with(lambda data: {**data, "_cendry_version": 7})
    found = decoded(town, {"name": "a"})
    assert ("a", Upgraded(1)) == (found.name, vars(found)["_cendry_upgraded"])


def test_upgrades_get_what_is_stored_without_the_version() -> None:
    seen: list[dict[str, Any]] = []

    def look(data: dict[str, Any]) -> dict[str, Any]:
        seen.append(data)
        return {"name": "a"}

    town = town_with(look)
    stored: dict[str, Any] = {
        "at": datetime(2026, 5, 1, tzinfo=timezone.utc),
        "where": GeoPoint(1.0, 2.0),
        "who": Ref.from_path("people/a"),
        "vector": Vector([1.0, 2.0]),
        "data": b"x",
        "nested": {"list": [None, 1, 2.5, {"a": True}]},
    }
    decoded(town, {**stored, "_cendry_version": 1})
    assert [stored] == seen


def test_a_changed_field_is_one_whose_value_differs_in_kind_or_value() -> None:
    before: dict[str, Any] = {"a": 1, "b": [1, {"c": 2}], "d": 1.5, "e": "x", "f": {"g": [1]}, "h": 1, "i": [1]}
    after = {"a": True, "b": [1, {"c": 2}], "d": 1.5, "e": "".join(["x"]), "f": {"g": [2]}, "h": 1.0, "i": [1, 2]}
    before["m"], after["m"] = {}, {"a": 1}
    town = town_with(lambda data: {**after, "name": "a", "j": None})
    found = vars(decoded(town, {**before, "name": "a", "k": 1}))["_cendry_upgraded"]
    assert Upgraded(1, frozenset({"k"}), frozenset({"a", "f", "h", "i", "j", "k", "m"})) == found


def test_run_upgrades_is_for_stored_data_alone() -> None:
    assert NEW == run_upgrades(City, OLD, 1, "cities/SF")
    assert NEW == run_upgrades(City, NEW, 3)
    with pytest.raises(DecodeError, match="^The data was written by a newer model"):
        run_upgrades(City, NEW, 4)
    with pytest.raises(TypeError, match=r"^Unversioned has no version=\.$"):
        run_upgrades(Unversioned, {}, 1)


# Messages


def message_encoder(model: type[Any]) -> Callable[[Any], Any]:
    """Writes instances as messages of Firestore."""
    from cendry_firestore._dialect import FIRESTORE

    return encoder(codec_for(model), FIRESTORE, "projects/p/databases/d")


def message_decoder(name: str, model: type[Any]) -> Callable[[dict[str, Any]], Any]:
    """Reads stored data as a message of a database."""
    from cendry_datastore._dialect import DATASTORE
    from cendry_datastore._keys import Partition
    from cendry_firestore._dialect import FIRESTORE

    partition = Partition("p", "", "")
    dialects: Any = {"firestore": (FIRESTORE, "projects/p/databases/d"), "datastore": (DATASTORE, partition)}
    dialect, base = dialects[name]
    decode: Any = decoder(codec_for(model), dialect)
    assert decode is decoder(codec_for(model), dialect)

    def read(data: dict[str, Any]) -> Any:
        document = dialect.new_document()
        fields = getattr(document, dialect.values.inner)
        dialect.values.write_fields(fields, data, base)
        size = len(fields)
        try:
            return decode(fields, "SF", "cities/SF", base)
        finally:
            # Looking for what is absent adds nothing.
            assert size == len(fields)

    return read


@pytest.mark.parametrize("database", ["firestore", "datastore"])
def test_messages_are_upgraded_as_dicts_are(database: str) -> None:
    read = message_decoder(database, City)
    current = read({**NEW, "_cendry_version": 3})
    assert (SF, {"id", "name", "country", "population"}) == (current, set(vars(current)))
    for data in (OLD, {**OLD, "_cendry_version": 1}, {**NEW, "_cendry_version": 2}):
        old = read(dict(data))
        assert vars(decoded(City, dict(data))) == vars(old)
        assert SF == old
    # What doesn't fit compiled code, of a current and of an old document.
    for version in (3, 2):
        with pytest.raises(DecodeError, match=r"^Document 'cities/SF' doesn't fit City: population: expected int"):
            read({**NEW, "population": "many", "_cendry_version": version})


@pytest.mark.parametrize("database", ["firestore", "datastore"])
@pytest.mark.parametrize("version", [True, False, 3.0, "3", None, 0, -1, 4, 2**63 - 1, [3], {"a": 3}, b"3"])
def test_versions_in_messages_are_refused_as_in_dicts(database: str, version: Any) -> None:
    data = {**NEW, "_cendry_version": version}
    with pytest.raises(DecodeError) as expected:
        decoded(City, dict(data))
    with pytest.raises(DecodeError) as actual:
        message_decoder(database, City)(data)
    assert str(expected.value) == str(actual.value)


@pytest.mark.parametrize("database", ["firestore", "datastore"])
def test_first_versions_in_messages_may_be_absent(database: str) -> None:
    class First(Model, collection="first", version=1, extra="forbid"):
        name: Field[str]

    read = message_decoder(database, First)
    for data in ({"name": "a"}, {"name": "a", "_cendry_version": 1}):
        assert First(id="SF", name="a") == read(data) == decoded(First, data)
    for version in (True, 0, 2):
        with pytest.raises(DecodeError, match="_cendry_version|newer model"):
            read({"name": "a", "_cendry_version": version})


@pytest.mark.parametrize("database", ["firestore", "datastore"])
def test_tagged_messages_are_upgraded_before_the_tag_is_looked_at(database: str) -> None:
    read = message_decoder(database, Animal)
    for data in (
        {"name": "Rex", "species": "dog", "tricks": 5},
        {"name": "Rex", "kind": "dog", "tricks": 5, "_cendry_version": 2},
        {"name": "Rex", "kind": "dog", "tricks": 5, "_cendry_version": 3},
    ):
        assert Dog(id="SF", name="Rex", tricks=5) == read(data)
        assert vars(read(data)) == vars(decoded(Animal, data))
    with pytest.raises(DecodeError, match=r"newer model \(version 3\)"):
        read({"name": "Tom", "kind": "cat", "_cendry_version": 3})


@pytest.mark.parametrize("database", ["firestore", "datastore"])
def test_tagged_first_versions_in_messages_may_be_absent(database: str) -> None:
    class Shape(Model, collection="shapes", tag_field="kind", tag="shape", version=1):
        name: Field[str]

    read = message_decoder(database, Shape)
    for data in ({"name": "a", "kind": "shape"}, {"name": "a", "kind": "shape", "_cendry_version": 1}):
        assert Shape(id="SF", name="a") == read(data) == decoded(Shape, data)
    with pytest.raises(DecodeError, match="newer model"):
        read({"name": "a", "kind": "shape", "_cendry_version": 2})


@pytest.mark.parametrize("database", ["firestore", "datastore"])
def test_upgrades_get_stored_values_from_messages(database: str) -> None:
    seen: list[dict[str, Any]] = []

    def look(data: dict[str, Any]) -> dict[str, Any]:
        seen.append(data)
        return {"name": "a"}

    stored: dict[str, Any] = {
        "at": datetime(2026, 5, 1, tzinfo=timezone.utc),
        "where": GeoPoint(1.0, 2.0),
        "data": b"x",
        "nested": {"list": [None, 1, 2.5, {"a": True}]},
    }
    message_decoder(database, town_with(look))({**stored, "_cendry_version": 1})
    assert [stored] == seen


def test_parts_of_fields_are_refused_in_upgraded_entities_too() -> None:
    class Place(Map):
        name: Field[str]

    class Town(Model, collection="towns", version=2):
        place: Field[Place | None] = field(default=None)

    upgrade(Town, to=2)(lambda data: data)
    read = message_decoder("datastore", Town)
    assert Town(id="SF", place=Place(name="a")) == read({"place": {"name": "a"}, "_cendry_version": 2})
    for version in (1, 2):
        with pytest.raises(DecodeError, match="only parts of it"):
            read({"place.name": "a", "_cendry_version": version})


# Instances


def test_an_upgraded_instance_is_like_any_other() -> None:
    city = decoded(City, dict(OLD))
    assert (SF, repr(SF), to_dict(SF)) == (city, repr(city), to_dict(city))
    known = vars(city)["_cendry_upgraded"]
    for same in (copy.copy(city), copy.deepcopy(city), pickle.loads(pickle.dumps(city))):
        assert (SF, known) == (same, vars(same)["_cendry_upgraded"])
    other = dataclasses.replace(city, name="LA")
    assert ("LA", {"id", "name", "country", "population"}) == (other.name, set(vars(other)))
    assert json_schema(City) == {**json_schema(Plainly), "title": "City"}
    assert {"name", "country", "population"} == to_dict(city).keys() == to_dict(city, by_alias=True).keys()


class Plainly(Model, collection="cities"):
    name: Field[str]
    country: Field[str]
    population: Field[int] = field(default=0)


def test_frozen_models_are_upgraded_too() -> None:
    class Still(Model, collection="still", version=2, frozen=True, eq=True):
        name: Field[str]

    upgrade(Still, to=2)(lambda data: {"name": data["title"]})
    still = decoded(Still, {"title": "a"})
    assert (Still(id="SF", name="a"), hash(Still(id="SF", name="a")), 1) == (
        still,
        hash(still),
        vars(still)["_cendry_upgraded"].version,
    )


# Reads of contexts


@pytest.fixture
def store() -> MemoryBackend:
    backend = MemoryBackend()
    backend.commit([Set("cities/SF", dict(OLD)), Set("cities/LA", {**NEW, "name": "LA", "_cendry_version": 3})])
    return backend


@pytest.fixture
def ctx(store: MemoryBackend) -> Any:
    with Cendry(backend=store) as made:
        yield made


def test_the_instance_remembers_as_long_as_it_is_of_that_document(ctx: Any) -> None:
    city = ctx.get(City, "SF")
    assert (SF, Upgraded(1, frozenset({"title"}), frozenset({"title", "name", "country"}))) == (city, upgraded(city))
    assert None is upgraded(ctx.get(City, "LA"))
    assert None is upgraded(City(name="a", country="b"))
    city.id = "NY"
    assert None is upgraded(city)


def test_refresh_forgets_what_was_upgraded(ctx: Any, store: MemoryBackend) -> None:
    city = ctx.get(City, "SF")
    store.commit([Set("cities/SF", {**NEW, "name": "New", "_cendry_version": 3})])
    ctx.refresh(city)
    assert ("New", None) == (city.name, upgraded(city))
    store.commit([Set("cities/SF", dict(OLD))])
    ctx.refresh(city)
    assert (SF, 1) == (city, cast("Upgraded", upgraded(city)).version)


def test_rows_of_old_documents_are_errors_of_their_own(ctx: Any) -> None:
    errors: list[DecodeError] = []
    query = ctx.select(City, on_error=errors.append)
    for rows, expected in (
        (query.values(City.name), [("LA",)]),
        (query.values(City.name, City.id), [("LA", "LA")]),
        (query.values(City.name, flat=True), ["LA"]),
        (query.project(City.name), [{"id": "LA", "name": "LA"}]),
        (query.values(FieldPath("name"), FieldPath("_cendry_version")), [("LA", 3)]),
    ):
        assert expected == rows.to_list()
        [error] = errors
        assert (
            "Document 'cities/SF' is of version 1, and City of version 3: an upgrade takes the whole document, and "
            "this query reads only some fields. Read whole documents, or backfill the collection first."
        ) == str(error)
        errors.clear()
    # Ids are the same in all versions.
    assert [("LA",), ("SF",)] == query.values(City.id).to_list()
    assert ["LA", "SF"] == query.ids()
    assert [] == errors


def test_rows_of_newer_documents_are_read_by_models_that_keep_what_they_do_not_know(ctx: Any) -> None:
    class Kept(Model, collection="cities", version=2, oldest=2, extra="keep"):
        name: Field[str]

    class Town(Model, collection="cities", version=2, oldest=2):
        name: Field[str]

    ctx.delete(City, "SF")
    assert [("LA",)] == ctx.select(Kept).values(Kept.name).to_list()
    with pytest.raises(DecodeError, match=r"^Document 'cities/LA' was written by a newer model \(version 3\); this"):
        ctx.select(Town).values(Town.name).to_list()


# Dicts


def test_from_dict_upgrades_data_with_stored_names() -> None:
    for data, version in (
        ({**OLD, "_cendry_version": 1}, None),
        ({**OLD, "_cendry_version": 1}, 3),
        (OLD, 1),
        ({**NEW, "_cendry_version": 3}, None),
        (NEW, None),
        (NEW, 3),
    ):
        given = copy.deepcopy(data)
        assert SF == from_dict(City, data, doc_id="SF", by_alias=True, version=version)
        assert [] == validate(City, data, by_alias=True, version=version)
        assert given == data
    # What is current may come under any names, and as JSON.
    assert SF == from_dict(City, {**NEW, "_cendry_version": 3}, doc_id="SF")
    assert SF == from_dict(City, {**NEW, "_cendry_version": 3}, doc_id="SF", by_alias=True, mode="json")
    assert SF == from_dict(City, to_dict(SF, by_alias=True), doc_id="SF", by_alias=True)


@pytest.mark.parametrize(
    ("data", "options", "problem"),
    [
        (
            {"_cendry_version": 4, **NEW},
            {"by_alias": True},
            Problem("_cendry_version", "at most version 3", "version 4"),
        ),
        (
            {"_cendry_version": 1, **OLD},
            {},
            Problem(
                "_cendry_version",
                "version 3",
                "version 1 (data with stored names, by_alias=True, are upgraded)",
            ),
        ),
        (
            {"_cendry_version": 1, **OLD},
            {"by_alias": True, "mode": "json"},
            Problem("_cendry_version", "version 3", "version 1 (JSON is not upgraded)"),
        ),
        (
            {"_cendry_version": "3", **NEW},
            {"by_alias": True},
            Problem("_cendry_version", "a version, which is an int of at least 1", "str '3'"),
        ),
    ],
)
def test_data_of_other_versions_are_problems(data: Any, options: Any, problem: Problem) -> None:
    assert [problem] == validate(City, data, **options)
    with pytest.raises(ValidationError) as caught:
        from_dict(City, data, **options)
    assert (problem,) == caught.value.problems


def test_an_upgrade_that_fails_in_from_dict_is_a_problem() -> None:
    town = town_with(fail)
    problem = Problem("_cendry_version", "an upgrade to version 2", "fail() raised KeyError: 'missing'")
    assert [problem] == validate(town, {}, by_alias=True, version=1)
    with pytest.raises(ValidationError) as caught:
        from_dict(town, {}, by_alias=True, version=1)
    assert isinstance(caught.value.__cause__, KeyError)


def test_data_that_are_nested_too_deep_are_not_passed_to_upgrades() -> None:
    deep: Any = {}
    for _ in range(2000):
        deep = {"a": deep}
    [problem] = validate(City, {**NEW, "name": deep}, by_alias=True, version=1)
    assert ("name", "str") == (problem.path, problem.expected)


def test_from_dict_with_extra_keep_reads_newer_data() -> None:
    newer = {**NEW, "more": 1, "_cendry_version": 4}
    assert SF == from_dict(City, newer, doc_id="SF", by_alias=True, extra="keep")


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        (
            Unversioned,
            {"version": 1, "by_alias": True},
            "version= is for models with version=, and Unversioned has none.",
        ),
        (City, {"version": 1}, 'version= is for data as they are stored: pass by_alias=True, and no mode="json".'),
        (
            City,
            {"version": 1, "by_alias": True, "mode": "json"},
            'version= is for data as they are stored: pass by_alias=True, and no mode="json".',
        ),
        (City, {"version": 0, "by_alias": True}, "version= takes an int of at least 1, not 0."),
        (City, {"version": True, "by_alias": True}, "version= takes an int of at least 1, not True."),
    ],
)
def test_wrong_versions_of_data_are_refused(model: Any, options: Any, message: str) -> None:
    for function in (from_dict, validate):
        with pytest.raises(TypeError) as caught:
            cast("Any", function)(model, {"name": "a"}, **options)
        assert message == str(caught.value)


# Pydantic


def test_for_pydantic_a_model_with_versions_is_like_any_other() -> None:
    pydantic = pytest.importorskip("pydantic")
    adapter: Any = pydantic.TypeAdapter(City)
    plain: Any = pydantic.TypeAdapter(Plainly)
    old = decoded(City, dict(OLD))
    assert adapter.dump_python(SF) == adapter.dump_python(old)
    assert adapter.dump_json(SF) == adapter.dump_json(old)
    assert SF == adapter.validate_json(adapter.dump_json(old))
    assert {**plain.json_schema(), "title": "City"} == adapter.json_schema()
    # Versions are those of documents: bodies have none.
    with pytest.raises(pydantic.ValidationError, match="_cendry_version"):
        adapter.validate_python({**NEW, "_cendry_version": 3})
