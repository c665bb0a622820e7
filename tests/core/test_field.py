"""What `City.name` is: identity, nested fields, dict keys, and what people write by mistake."""

from __future__ import annotations

import copy
import dataclasses
import gc
import pickle
import re
from typing import Any, NamedTuple, Optional, Union

import pytest
from cendry._model.fields import Field, FieldDescriptor, FieldInfo, field
from cendry._model.model import Map, Model
from cendry._types.registry import register_type
from cendry.errors import UnknownFieldError
from cendry.filters import Asc
from typing_extensions import TypedDict


class Street(Map):
    name: Field[str] = field(alias="street name")


class Person(Map):
    name: Field[str]


class Mayor(Person):
    since: Field[int] = field(alias="s")
    alias: Field[str]
    street: Field[Street | None] = field(default=None)
    tags: Field[dict[str, str]] = field(default_factory=dict)
    boss: Field[Optional[Mayor]] = field(default=None)
    _secret: Field[int] = 3  # type: ignore[assignment]


@dataclasses.dataclass
class Address:
    city: str
    zip: int = 0


class Extra(TypedDict):
    color: str


class Pair(NamedTuple):
    left: int
    right: int


class Money:
    pass


register_type(Money, serialize=lambda money: {}, deserialize=lambda stored: Money())


class City(Model, collection="cities"):
    name: Field[str] = field(alias="a.b")
    mayor: Field[Mayor | None] = field(default=None, alias="the mayor")
    plain: Field[Person]
    either: Field[Union[Street, str, None]] = field(default=None)
    attributes: Field[dict[str, dict[str, int]] | None] = field(default=None)
    people: Field[dict[str, Mayor]] = field(default_factory=dict)
    address: Field[Address | None] = field(default=None)
    extra: Field[Extra | None] = field(default=None)
    pair: Field[Pair | None] = field(default=None)
    anything: Field[Any] = field(default=None)
    money: Field[Money | None] = field(default=None)
    regions: Field[list[str]] = field(default_factory=list)
    active: Field[bool] = field(default=True)


# Identity


def test_a_descriptor_names_its_field() -> None:
    assert ("name", "a.b", City, "City.name") == (
        City.name.field_name,
        City.name.alias,
        City.name.owner,
        repr(City.name),
    )


def test_nested_descriptors_give_whole_paths() -> None:
    nested = City.mayor.street.name
    assert "mayor.street.name" == nested.field_name
    assert "`the mayor`.street.`street name`" == nested.alias
    assert City is nested.owner
    assert "City.mayor[Mayor.street][Street.name]" == repr(nested)
    assert "attributes.`x.y`" == City.attributes["x.y"].field_name


@pytest.mark.parametrize(
    "get",
    [
        lambda: City.name,
        lambda: City.id,
        lambda: City.mayor.since,
        lambda: City.mayor[Mayor.since],
        lambda: City.mayor["since"],
        lambda: City.mayor.street.name,
        lambda: City.mayor[Mayor.street[Street.name]],
        lambda: City.mayor[Mayor.tags["x"]],
        lambda: City.attributes["k"],
        lambda: City.attributes["k"]["l"],
        lambda: City.people["k"].since,
        lambda: City.people["k"][Mayor.since],
    ],
)
def test_there_is_one_object_per_field(get: Any) -> None:
    descriptor = get()
    assert descriptor is get()
    assert hash(descriptor) == hash(get())
    assert {descriptor: 1}[get()] == 1
    assert descriptor is copy.copy(descriptor)
    assert descriptor is copy.deepcopy(descriptor)
    assert descriptor is pickle.loads(pickle.dumps(descriptor))


def test_all_ways_to_a_nested_field_meet() -> None:
    assert City.mayor.since is City.mayor[Mayor.since] is City.mayor["since"]
    assert City.mayor[Mayor.street][Street.name] is City.mayor[Mayor.street[Street.name]] is City.mayor.street.name


def test_keys_are_not_kept_alive() -> None:
    before = City.attributes["gone"]
    number = id(before)
    del before
    gc.collect()
    assert "gone" not in dict(City.attributes._keys)  # type: ignore[arg-type]
    assert number is not None


@pytest.mark.parametrize("name", ["alias", "anything", "_alias", "_cendry_names"])
def test_descriptors_are_immutable(name: str) -> None:
    with pytest.raises(AttributeError, match=f"City.name is immutable; can't set {name!r}"):
        setattr(City.name, name, 3)
    with pytest.raises(AttributeError, match=f"City.name is immutable; can't delete {name!r}"):
        delattr(City.name, name)


def test_a_subclass_has_nested_descriptors_of_its_own() -> None:
    class Town(City, collection="towns"):
        pass

    assert Town is Town.mayor.since.owner
    assert Town.mayor.since is not City.mayor.since


# Nested fields


def test_inherited_fields_of_a_map_are_reached_by_either_class() -> None:
    assert City.mayor[Person.name] is City.mayor[Mayor.name]
    assert "City.mayor[Mayor.name]" == repr(City.mayor[Person.name])


def test_a_nested_name_that_is_an_own_attribute_of_descriptors_needs_brackets() -> None:
    with pytest.raises(AttributeError, match=r"write City\.mayor\[Mayor\.alias\], or 'mayor\.alias' where names"):
        _ = City.mayor.alias
    assert "mayor.alias" == City.mayor[Mayor.alias].field_name
    assert City.mayor[Mayor.alias] is City.mayor["alias"]
    assert "mayor" == City.mayor.field_name
    assert City is City.mayor.owner
    assert City.mayor.asc() == Asc(City.mayor)
    assert isinstance(type(City.mayor).alias, property)


def test_private_attributes_of_descriptors_hide_no_nested_field() -> None:
    class Part(Map):
        _alias: Field[str] = field(default="")
        _parent: Field[str] = field(default="")

    class Whole(Model, collection="wholes"):
        part: Field[Part]

    nested: Any = Whole.part
    assert ["part._alias", "part._parent"] == [nested._alias.field_name, nested._parent.field_name]


def test_the_field_of_a_map_has_no_methods_of_numbers_text_and_arrays() -> None:
    class Odd(Map):
        name: Field[str]
        startswith: Field[int]

    class Whole(Model, collection="wholes"):
        odd: Field[Odd | None]
        either: Field[Odd | str]

    for name in ("is_nan", "array_contains", "array_contains_any"):
        with pytest.raises(AttributeError, match=f"Whole.odd has no attribute or field '{name}'"):
            getattr(Whole.odd, name)
    odd: Any = Whole.odd
    assert odd.startswith is Whole.odd[Odd.startswith]
    with pytest.raises(AttributeError, match=r"write Whole\.either\[Odd\.startswith\]"):
        getattr(Whole.either, "startswith")  # noqa: B009
    assert "Whole.either.is_nan()" == repr(Whole.either.is_nan())  # type: ignore[misc]


def test_private_fields_and_recursive_maps() -> None:
    assert "mayor._secret" == City.mayor._secret.field_name
    assert "mayor.boss.boss.name" == City.mayor.boss.boss.name.field_name


def test_a_map_in_a_union_is_looked_into() -> None:
    assert "City.either[Street.name]" == repr(City.either.name)  # type: ignore[misc]
    assert City.either.name is City.either[Street.name]  # type: ignore[misc]


def test_dataclasses_and_typed_dicts_are_looked_into() -> None:
    assert "City.address['zip']" == repr(City.address.zip)  # type: ignore[misc]
    assert City.address.zip is City.address["zip"]  # type: ignore[misc]
    assert "City.extra['color']" == repr(City.extra["color"])
    assert "extra.color" == City.extra.color.alias  # type: ignore[misc]


@pytest.mark.parametrize("key", ["k", "a.b", "a b", "`", "ü", "0", "a/b", "\n"])
def test_a_key_of_a_dict_is_one_segment(key: Any) -> None:
    assert ("attributes", key) == City.attributes[key]._cendry_names
    assert f"City.attributes[{key!r}]" == repr(City.attributes[key])


def test_keys_of_what_may_hold_anything() -> None:
    assert ("anything", "a", "b") == City.anything["a"]["b"]._cendry_names
    assert ("money", "amount") == City.money["amount"]._cendry_names  # type: ignore[misc]


# Misspelt and misused


def refusal(kind: type[Exception], use: Any) -> str:
    with pytest.raises(kind) as caught:
        use()
    return str(caught.value)


def test_a_misspelt_nested_field_names_the_nearest() -> None:
    message = "City.mayor has no attribute or field 'sinse'. Did you mean 'since'?"
    assert message == refusal(AttributeError, lambda: City.mayor.sinse)
    assert "City.mayor has no field 'sinse'. Did you mean 'since'?" == refusal(
        UnknownFieldError, lambda: City.mayor["sinse"]
    )
    assert "City.mayor has no attribute or field 'zzz'." == refusal(AttributeError, lambda: City.mayor.zzz)


def test_attributes_of_what_has_no_fields() -> None:
    message = "City.attributes has no attribute or field 'k'. For a key of a dict, write City.attributes['k']."
    assert message == refusal(AttributeError, lambda: City.attributes.k)  # type: ignore[misc]
    assert "City.name has no attribute or field 'length'." in refusal(AttributeError, lambda: City.name.length)  # type: ignore[misc]
    assert "City.name has no attribute or field '_x'." == refusal(AttributeError, lambda: City.name._x)  # type: ignore[misc]
    assert not hasattr(City.mayor, "__wrapped__")
    assert not hasattr(City.id, "name")


def test_keys_of_what_has_nothing_inside() -> None:
    message = "City.name has no field or key 'k'. It holds str, which has no parts."
    assert message == refusal(TypeError, lambda: City.name["k"])  # type: ignore[misc]
    assert "City.id has no field or key 'k'. It holds str" in refusal(TypeError, lambda: City.id["k"])  # type: ignore[misc]
    assert "City.pair has no field or key 'left'." in refusal(TypeError, lambda: City.pair["left"])  # type: ignore[misc]
    assert "no attribute or field 'first'. It holds str, which has no parts." in refusal(
        AttributeError,
        lambda: City.name.first,  # type: ignore[misc]
    )


def test_a_part_of_the_elements_of_an_array() -> None:
    advice = "and Firestore can't look into the elements of an array: City.regions.array_contains() compares whole"
    for call in (
        lambda: City.regions.name,  # type: ignore[misc]
        lambda: City.regions["name"],  # type: ignore[misc]
        lambda: City.regions[Street.name],  # type: ignore[misc]
    ):
        with pytest.raises((AttributeError, TypeError), match=re.escape(advice)):
            call()


@pytest.mark.parametrize("key", [0, slice(1), None, City])
def test_an_element_of_an_array_is_no_field(key: Any) -> None:
    message = refusal(TypeError, lambda: City.regions[key])  # type: ignore[misc]
    assert f"City.regions[{key!r}]: write City.regions[Map.field] for a field of an embedded map" in message
    assert "array_contains() checks all." in message


def test_a_field_of_another_map() -> None:
    assert "Street.name is a field of Street, but City.mayor holds Mayor." == refusal(
        TypeError, lambda: City.mayor[Street.name]
    )
    assert "Mayor.since is a field of Mayor, but City.plain holds Person." == refusal(
        TypeError, lambda: City.plain[Mayor.since]
    )
    assert "Street.name is a field of Street, but City.regions is not an embedded map. It holds" in refusal(
        TypeError,
        lambda: City.regions[Street.name],  # type: ignore[misc]
    )


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("", "a key must not be empty"),
        ("__x__", "keys of the form __...__ are reserved"),
        ("\ud800", "a lone surrogate"),
    ],
)
def test_keys_that_firestore_cannot_hold(key: Any, reason: str) -> None:
    message = refusal(ValueError, lambda: City.attributes[key])
    assert message.startswith(f"City.attributes[{key!r}]: ")
    assert reason in message


def test_a_field_has_no_truth_value() -> None:
    message = "City.active has no truth value: it is the field, not a value of it. Write City.active == True"
    assert message in refusal(TypeError, lambda: bool(City.active))
    assert message in refusal(TypeError, lambda: City.active and City.name == "x")  # type: ignore[unreachable]
    assert message in refusal(TypeError, lambda: not City.active)


def test_a_field_cannot_be_iterated_over_or_searched() -> None:
    assert "City.regions can't be iterated over: it is the field, not a value of it." == refusal(
        TypeError,
        lambda: list(City.regions),  # type: ignore[call-overload]
    )
    message = "City.regions can't be searched with 'in'. Write City.regions.array_contains('x')."
    assert message == refusal(TypeError, lambda: "x" in City.regions)  # type: ignore[operator]


@pytest.mark.parametrize(
    "use",
    [lambda: City.active & City.name == "x", lambda: 1 & City.active, lambda: City.active | 1, lambda: 1 | City.name],  # type: ignore[operator]
)
def test_forgotten_parentheses_are_told_about(use: Any) -> None:
    assert "& and | bind tighter than comparisons. Put parentheses around each: (City." in refusal(TypeError, use)


# field() and what is kept


def test_a_field_info_says_all_about_a_field() -> None:
    assert FieldInfo("x", "x", int) == FieldInfo(name="x", alias="x", annotation=int, required=True)
    assert dataclasses.MISSING is FieldInfo("x", "x", int).default


def test_the_parameter_types_can_be_named() -> None:
    assert FieldDescriptor[str] is not FieldDescriptor
    assert Field[str] == Field[str]
