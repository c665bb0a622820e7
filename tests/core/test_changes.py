"""Typed changes, and merges, in every place that takes changes."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from cendry import (
    DELETE_FIELD,
    SERVER_TIMESTAMP,
    ArrayRemove,
    ArrayUnion,
    CendryError,
    Field,
    FieldChange,
    FieldPath,
    Increment,
    InvalidValueError,
    Map,
    Maximum,
    Minimum,
    Model,
    Ref,
    UnknownFieldError,
    field,
    get_metadata,
)
from cendry.plan import FieldTransform, Set, Update
from core.documents import NOW, Area, City, Mayor, Stamped, Status

# For calls that checkers refuse.
_name: Any = City.name
_change: Any = FieldChange


class Secret(Model, collection="secrets"):
    word: Field[str] = field(repr=False)


class Street(Map):
    name: Field[str]
    zip_code: Field[str] = field(alias="zip-code")
    lanes: Field[int] = field(default=1)


class Address(Map):
    street: Field[Street]
    note: Field[str] = field(default="")


class Person(Model, collection="people"):
    name: Field[str] = field(alias="full name")
    age: Field[int | None] = field(default=None)
    home: Field[Address | None] = field(default=None)
    others: Field[dict[str, Address]] = field(default_factory=dict)
    either: Field[Address | int | None] = field(default=None)
    free: Field[Any] = field(default=None)
    updated: Field[datetime | None] = field(auto_now=True)
    created: Field[datetime | None] = field(auto_now_add=True)


def only(backend: Any) -> Any:
    [[write]] = backend.plans("commit")
    return write


# the values


CHANGES: list[tuple[FieldChange, str]] = [
    (City.name.set("x"), "City.name.set('x')"),
    (City.population.set(Increment(1)), "City.population.set(Increment(value=1))"),
    (City.population.set(Maximum(1)), "City.population.set(Maximum(value=1))"),
    (City.area.set(Minimum(1.5)), "City.area.set(Minimum(value=1.5))"),
    (City.regions.set(ArrayUnion(["a"])), "City.regions.set(ArrayUnion(['a']))"),
    (City.tags.set(ArrayRemove([Status.OPEN])), "City.tags.set(ArrayRemove([Status.OPEN]))"),
    (City.budget.set(DELETE_FIELD), "City.budget.set(DELETE_FIELD)"),
    (City.mayor.set(None), "City.mayor.set(None)"),
    (City.mayor[Mayor.name].set("x"), "City.mayor[Mayor.name].set('x')"),
    (City.mayor.set(Mayor(name="x", since=1)), "City.mayor.set(Mayor(name='x', since=1))"),
    (City.attributes["a.b"].set([1, {"x": float("nan")}]), "City.attributes['a.b'].set([1, {'x': float('nan')}])"),
    (City.status.set(Status.OPEN), "City.status.set(Status.OPEN)"),
    (City.twin.set(City(id="LA", name="x")), "City.twin.set(Ref(City, 'LA'))"),
    (Stamped.created.set(SERVER_TIMESTAMP), "Stamped.created.set(SERVER_TIMESTAMP)"),
]


@pytest.mark.parametrize(("change", "text"), CHANGES, ids=[text for _, text in CHANGES])
def test_changes_are_values(change: FieldChange, text: str) -> None:
    assert repr(change) == text
    assert isinstance(change, FieldChange)
    for other in (eval(text), pickle.loads(pickle.dumps(change)), copy.copy(change), copy.deepcopy(change)):
        assert other == change
        assert hash(other) == hash(change)
        assert {other, change} == {change}
    assert [one == change for one, _ in CHANGES].count(True) == 1


def test_changes_compare_by_type_and_value() -> None:
    assert City.population.set(1) != City.population.set(True)
    assert City.area.set(float("nan")) == City.area.set(float("nan"))
    assert City.regions.set(ArrayUnion(["a"])) != City.regions.set(ArrayRemove(["a"]))
    assert City.name.set("x") != City.state.set("x")
    assert City.name.set("x") != "x"
    # A value that can't be hashed is still one.
    assert hash(City.attributes.set({"a": [1]})) == hash(City.attributes.set({"a": [1]}))


def test_changes_are_immutable_and_hold_copies() -> None:
    regions = ["a"]
    change = City.regions.set(regions)
    regions.append("b")
    change.value.append("c")
    assert change.value == ["a"]
    assert change.field is City.regions
    with pytest.raises(AttributeError, match="immutable"):
        change.value = 1  # type: ignore[misc]
    with pytest.raises(AttributeError, match="immutable"):
        del change._value


def test_a_hidden_value_is_not_shown() -> None:
    assert repr(Secret.word.set("sesame")) == "Secret.word.set(...)"


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: City.id.set("x"), CendryError, "City.id can't be changed; save() the instance under another id"),
        (lambda: _name.set(City.state), TypeError, "City.name can't be set to City.state, which is not a value."),
        (lambda: _name.set(City.state == "x"), TypeError, "is not a value"),
        (lambda: _name.set(City.state.set("x")), TypeError, "is not a value"),
        (lambda: _change("name", "x"), TypeError, "A change has a field (City.name), not 'name'."),
        (lambda: City.twin.set(City(name="x")), CendryError, "has no id"),
    ],
)
def test_what_is_no_change(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        make()
    assert message in str(caught.value)


# where they stand


TWO = (City.name.set("new"), City.population.set(Increment(2)))


@pytest.fixture
def sf(ctx: Any, backend: Any) -> City:
    city = City(id="SF", name="San Francisco", mayor=Mayor(name="x"))
    ctx.save(city)
    backend.calls.clear()
    return city


@pytest.mark.parametrize(
    "call",
    [
        lambda ctx, sf: ctx.update(sf, *TWO),
        lambda ctx, sf: ctx.update(sf, {one.field: one.value for one in TWO}),
        lambda ctx, sf: ctx.update(sf, list(TWO)),
        lambda ctx, sf: ctx.update(sf, iter(TWO)),
        lambda ctx, sf: ctx.update(City, "SF", *TWO),
        lambda ctx, sf: ctx.update(Ref(City, "SF"), *TWO),
        lambda ctx, sf: ctx.update(City, "SF", *TWO, if_unchanged=get_metadata(sf).update_time),
        lambda ctx, sf: ctx.merge(sf, *TWO),
        lambda ctx, sf: ctx.merge(City, "SF", *TWO),
        lambda ctx, sf: ctx.merge(City, "SF", {"name": "new", City.population: Increment(2)}),
        lambda ctx, sf: ctx.merge(Ref(City, "SF"), *TWO),
        lambda ctx, sf: ctx.update_or_create(City, "SF", list(TWO), create_defaults=[City.name.set("y")]),
    ],
)
def test_changes_stand_where_mappings_do(ctx: Any, backend: Any, sf: City, call: Callable[..., Any]) -> None:
    call(ctx, sf)
    write = only(backend)
    assert (write.path, write.data, write.mask) == ("cities/SF", {"displayName": "new"}, (FieldPath("displayName"),))
    assert write.transforms == (FieldTransform(FieldPath("population"), Increment(2)),)
    assert backend.data("cities/SF")["population"] == 2


def test_batches_and_transactions_take_changes(ctx: Any, backend: Any, sf: City) -> None:
    with ctx.batch() as batch:
        batch.update(sf, *TWO)
        batch.update(City, "SF", City.state.set("NV"))
        batch.merge(City, "LA", *TWO)
        batch.merge(Area, "a", Area.name.set("x"), parent=sf)
        assert sf.name == "San Francisco"
    assert (sf.name, sf.population, backend.data("cities/SF")["state"]) == ("new", 0, "NV")
    assert (ctx.get(City, "LA").population, ctx.get(Area, "a", parent=sf).name) == (2, "x")
    with ctx.transaction() as txn:
        txn.update(sf, City.name.set("again"))
        txn.merge(City, "NY", *TWO)
    assert (sf.name, ctx.get(City, "NY").name) == ("again", "new")


def test_defaults_take_changes(ctx: Any) -> None:
    made, created = ctx.get_or_create(City, "a", [City.name.set("x"), City.state.set("NV")])
    assert (made.name, made.state, created) == ("x", "NV", True)
    made, created = ctx.update_or_create(City, "b", (one for one in [City.name.set("x")]))
    assert (made.name, created) == ("x", True)
    made, created = ctx.update_or_create(City, "b", [City.name.set("y")])
    assert (made.name, created) == ("y", False)
    made, created = ctx.update_or_create(City, "b", {}, create_defaults={})
    assert (made.name, created) == ("y", False)
    made, created = ctx.update_or_create(City, "c", [City.name.set("x")], create_defaults=[City.name.set("z")])
    assert (made.name, created) == ("z", True)


@pytest.mark.parametrize("method", ["update", "merge"])
@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ((City.name.set("x"), City.name.set("y")), CendryError, "of City names 'name' twice"),
        ((City.mayor.set(None), City.mayor[Mayor.name].set("y")), CendryError, "names 'mayor' and 'mayor.name'"),
        ((City.name.set("x"), {"state": "y"}), TypeError, "several changes are one dict, or typed"),
        (({},), CendryError, "names no fields"),
        (([],), CendryError, "names no fields"),
        ((Stamped.name.set("x"),), TypeError, "Stamped.name is a field of Stamped, not of City"),
        ((_name.set(5),), InvalidValueError, "City.name: expected str, found int 5"),
        (([City.name.set("x"), "y"],), TypeError, "as a dict ({City.name: 'x'}) or typed (City.name.set('x'))"),
        (("name",), TypeError, "takes changes as a dict"),
        (({"nmae": "x"},), UnknownFieldError, "Did you mean 'name'?"),
        (({City.id: "x"},), CendryError, "The id of a document can't be updated"),
        (({City.name: DELETE_FIELD},), InvalidValueError, "the field is required"),
    ],
)
def test_wrong_changes(
    ctx: Any, backend: Any, sf: City, method: str, changes: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as caught:
        getattr(ctx, method)(sf, *changes)
    assert message in str(caught.value)
    with ctx.batch() as batch:
        with pytest.raises(error):
            getattr(batch, method)(City, "SF", *changes)
        assert len(batch) == 0
    assert backend.calls == []


def test_defaults_name_a_field_once(ctx: Any, backend: Any) -> None:
    with pytest.raises(CendryError, match="defaults= for City names 'name' twice"):
        ctx.get_or_create(City, "a", [City.name.set("x"), City.name.set("y")])
    with pytest.raises(CendryError, match="create_defaults= for City names 'name' twice"):
        ctx.update_or_create(City, "a", {}, create_defaults={"name": "x", City.name: "y"})
    assert [method for method, *_ in backend.calls if method == "commit"] == []


def test_an_instance_is_taken_for_its_reference(ctx: Any, backend: Any, sf: City) -> None:
    la = City(id="LA", name="Los Angeles")
    for changes in (
        [{City.twin: la}],
        [City.twin.set(la)],
        [
            {"attributes.list": [la, 1]},
        ],
    ):
        ctx.update(sf, *changes)
    data = backend.data("cities/SF")
    assert (data["twin"], data["attributes"]["list"]) == (Ref(City, "LA"), [Ref(City, "LA"), 1])
    assert sf.twin == Ref(City, "LA")
    ctx.update(sf, {City.attributes["refs"]: ArrayUnion([la])})
    assert backend.data("cities/SF")["attributes"]["refs"] == [Ref(City, "LA")]
    for query in (
        ctx.select(City, City.twin == la),
        ctx.select(City, City.twin.is_in([la, sf])),
        ctx.select(City, City.attributes["refs"].array_contains(la)),
        ctx.select(City, order_by=City.twin, start_at={City.twin: la}),
        ctx.select(City, City.id == sf),
    ):
        assert query.ids() == ["SF"]
    assert repr(City.twin == la) == "City.twin == Ref(City, 'LA')"
    with pytest.raises(InvalidValueError, match="expected Ref to City"):
        ctx.save(City(id="x", name="x", twin=la))  # type: ignore[arg-type]
    with pytest.raises(CendryError, match="has no id"):
        ctx.update(sf, {City.twin: City(name="x")})


# merges


def test_a_merge_writes_the_named_fields(ctx: Any, backend: Any) -> None:
    backend.put("people/a", {"full name": "old", "age": 3, "other": 1, "home": {"note": "x"}, "created": None})
    ctx.merge(Person, "a", {"name": "new", "age": DELETE_FIELD, "free": {"k": SERVER_TIMESTAMP, "a": 1}})
    write = only(backend)
    assert (type(write), write.update_time, write.is_merge) == (Set, None, True)
    assert {str(path) for path in write.mask} == {"`full name`", "age", "free", "updated"}
    data = backend.data("people/a")
    assert data.pop("free").keys() == {"k", "a"}
    # auto_now is set, auto_now_add is not.
    assert data == {"full name": "new", "other": 1, "home": {"note": "x"}, "created": None, "updated": NOW}


def test_a_merge_creates_what_can_be_read(ctx: Any, backend: Any) -> None:
    ctx.merge(Person, "a", Person.name.set("x"), Person.age.set(Increment(4)))
    person = ctx.get(Person, "a")
    assert (person.name, person.age, person.updated, person.created) == ("x", 4, NOW, None)


def test_a_merge_by_instance_shows_its_values(ctx: Any, backend: Any) -> None:
    person = Person(id="a", name="old", age=3)
    ctx.merge(person, Person.name.set("new"), Person.age.set(DELETE_FIELD))
    assert (person.name, person.age, person.updated) == ("new", None, NOW)
    assert get_metadata(person).update_time == backend.documents["people/a"].update_time
    with pytest.raises(CendryError, match="has no id"):
        ctx.merge(Person(name="x"), Person.name.set("y"))


HOME: Any = Person.home
STREET: Any = Person.home[Address.street]


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({Person.age: 1}, "without 'name',"),
        ({Person.name: "x", HOME[Address.note]: "y"}, "without 'home.street',"),
        ({Person.name: "x", STREET[Street.name]: "y"}, "without 'home.street.zip_code',"),
        ({"age": 1, STREET[Street.name]: "y"}, "without 'name' and 'home.street.zip_code',"),
        ({Person.name: "x", "others.k.note": "y"}, "without 'others.k.street',"),
        ({Person.name: "x", "others.k.street.name": "y"}, "without 'others.k.street.zip_code',"),
        ({Person.name: "x", "either.note": "y"}, "without 'either.street',"),
        ({Person.name: "x", HOME[Address.note]: DELETE_FIELD}, None),
        ({Person.name: "x", STREET[Street.lanes]: DELETE_FIELD}, None),
        ({Person.name: "x", STREET[Street.name]: "y", STREET[Street.zip_code]: "z"}, None),
        ({Person.name: "x", HOME: Address(street=Street(name="y", zip_code="z"))}, None),
        ({Person.name: "x", "others.k": Address(street=Street(name="y", zip_code="z"))}, None),
        ({Person.name: "x", "free.k.l": 1}, None),
        ({FieldPath("full name"): "x", FieldPath("home", "street"): {"name": "y", "zip-code": "z"}}, None),
        ({Person.name: "x", "either.street.name": "y", "either.street.zip_code": "z"}, None),
    ],
)
def test_a_merge_names_all_required_fields(ctx: Any, backend: Any, changes: Any, missing: str | None) -> None:
    if missing is not None:
        with pytest.raises(CendryError, match="this one would leave a Person") as caught:
            ctx.merge(Person, "a", changes)
        assert missing in str(caught.value)
        assert backend.calls == []
        return
    ctx.merge(Person, "a", changes)
    assert ctx.get(Person, "a").name == "x"


def test_updates_are_updates(ctx: Any, backend: Any, sf: City) -> None:
    ctx.update(sf, City.state.set("NV"))
    assert type(only(backend)) is Update


class Ruled(Map):
    low: Field[int]
    high: Field[int]

    def __validate__(self) -> None:
        if self.low > self.high:
            raise ValueError("low is over high")


class Holder(Model, collection="holders"):
    name: Field[str]
    ruled: Field[Ruled | None] = field(default=None)


def test_merges_keep_rules(ctx: Any, backend: Any) -> None:
    holder = Holder(id="a", name="x")
    ctx.merge(holder, {"name": "y", "ruled.low": 1, "ruled.high": 2})
    assert backend.data("holders/a") == {"name": "y", "ruled": {"low": 1, "high": 2}}
    ctx.refresh(holder)
    with pytest.raises(InvalidValueError, match="low is over high"):
        ctx.merge(holder, {"name": "y", "ruled.low": 3, "ruled.high": 2})


class Fixed(Map, frozen=True):
    counts: Field[dict[str, int] | None] = field(default=None)


class Optional(Model, collection="optionals"):
    fixed: Field[Fixed] = field(default_factory=Fixed)
    counts: Field[dict[str, int] | None] = field(default=None)
    free: Field[Any] = field(default=None)
    people: Field[dict[str, Address] | None] = field(default=None)


def test_an_update_below_an_absent_dict_is_shown(ctx: Any) -> None:
    one = Optional(id="a")
    ctx.save(one)
    ctx.update(one, Optional.counts["a"].set(1), Optional.counts["b"].set(2), Optional.free["x"]["y"].set("z"))
    assert (one.counts, one.free) == ({"a": 1, "b": 2}, {"x": {"y": "z"}})
    assert ctx.get(Optional, "a") == one


def test_an_update_inside_a_frozen_map_leaves_it_as_it_is(ctx: Any) -> None:
    one = Optional(id="a")
    ctx.save(one)
    fixed = one.fixed
    ctx.update(one, Optional.fixed[Fixed.counts]["a"].set(1))
    assert (fixed, one.fixed) == (Fixed(), Fixed())
    ctx.refresh(one)
    assert one.fixed == Fixed(counts={"a": 1})


def test_an_update_below_an_absent_dict_of_maps_is_refused(ctx: Any, backend: Any) -> None:
    one = Optional(id="a")
    for note in ("x", DELETE_FIELD):
        with pytest.raises(CendryError, match="'people.k' is None in this Optional"):
            ctx.update(one, {"people.k.note": note})
    assert backend.calls == []
    ctx.merge(one, {"people.k.note": DELETE_FIELD})
    assert one.people is None
    ctx.merge(one, {"people.k.note": "x", "people.k.street": Street(name="y", zip_code="z")})
    # A map can't be made from its parts here.
    assert one.people is None
    ctx.refresh(one)
    assert one.people == {"k": Address(street=Street(name="y", zip_code="z"), note="x")}
