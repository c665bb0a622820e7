"""What a model is at run time: a dataclass whose class side answers with field descriptors."""

from __future__ import annotations

import abc
import copy
import dataclasses
import enum
import gc
import inspect
import pickle
import weakref
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Annotated, Any, ClassVar, Protocol, runtime_checkable

import pytest
from cendry._model.fields import Field, FieldDescriptor, field
from cendry._model.model import Map, Model, fields_of
from cendry.errors import CendryError


class Status(enum.Enum):
    OPEN = "open"


class Mayor(Map):
    name: Field[str]
    since: Field[int] = field(default=2000)


class City(Model, collection="cities"):
    LIMIT: ClassVar[int] = 30
    name: Annotated[Field[str], field(alias="displayName")]
    state: Field[str]
    population: Field[int] = field(default=0)
    regions: Field[list[str]] = field(default_factory=list)
    status: Field[Status] = field(default=Status.OPEN, enum_by="name")
    mayor: Field[Mayor | None] = field(default=None)
    created: Field[datetime | None] = field(auto_now_add=True)
    updated: Field[datetime | None] = field(auto_now=True)

    def shout(self) -> str:
        return self.name.upper()


class Spot(Model, collection="spots", frozen=True, order=True):
    x: Field[int]
    y: Field[int] = 0  # type: ignore[assignment]


class Known:
    """Stands for a context's metadata, of which a model only needs the path."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Known) and self.path == other.path

    __hash__ = None  # type: ignore[assignment]


class Plain(Map):
    number: Field[int] = 3  # type: ignore[assignment]
    text: Field[str | None] = None  # type: ignore[assignment]


def rome(**changes: Any) -> City:
    return City(**{"name": "Rome", "state": "IT", **changes})


# Construction


def test_instances_are_made_with_keywords_and_have_defaults() -> None:
    city = rome()
    assert (None, "Rome", "IT", 0, [], Status.OPEN, None, None, None) == (
        city.id,
        city.name,
        city.state,
        city.population,
        city.regions,
        city.status,
        city.mayor,
        city.created,
        city.updated,
    )


def test_each_instance_gets_its_own_default_from_a_factory() -> None:
    one, other = rome(), rome()
    one.regions.append("x")
    assert [] == other.regions


def test_fields_can_be_given_by_keyword_only() -> None:
    with pytest.raises(TypeError, match="positional"):
        City("Rome", "IT")  # type: ignore[call-arg]


def test_required_fields_must_be_given() -> None:
    with pytest.raises(TypeError, match="name"):
        City(state="IT")  # type: ignore[call-arg]


def test_an_alias_is_no_parameter() -> None:
    with pytest.raises(TypeError, match="displayName"):
        City(displayName="Rome", state="IT")  # type: ignore[call-arg]


def test_the_id_can_be_given() -> None:
    assert "SF" == rome(id="SF").id


def test_a_plain_default_works_like_field_default() -> None:
    assert (3, None) == (Plain().number, Plain().text)
    assert not fields_of(Plain)["number"].required


def test_post_init_runs() -> None:
    class Tidy(Map):
        name: Field[str]

        def __post_init__(self) -> None:
            self.name = self.name.strip()

    assert "x" == Tidy(name=" x ").name


def test_an_init_of_the_class_itself_is_kept() -> None:
    class Own(Map):
        name: Field[str]

        def __init__(self) -> None:
            self.name = "made"

    assert "made" == Own().name


def test_the_signature_shows_python_names_and_plain_types() -> None:
    parameters = inspect.signature(City).parameters
    assert ["id", "name", "state", "population", "regions", "status", "mayor", "created", "updated"] == list(parameters)
    assert str is parameters["name"].annotation
    assert (str | None) == parameters["id"].annotation
    assert all(each.kind is each.KEYWORD_ONLY for each in parameters.values())


# It is a dataclass


def test_a_model_is_a_dataclass() -> None:
    assert dataclasses.is_dataclass(City)
    assert ["id", "name", "state"] == [each.name for each in dataclasses.fields(City)][:3]
    assert str is dataclasses.fields(City)[1].type


def test_asdict_converts_embedded_maps() -> None:
    city = rome(mayor=Mayor(name="x"))
    assert {"name": "x", "since": 2000} == dataclasses.asdict(city)["mayor"]
    assert list(dataclasses.asdict(city)) == [each.name for each in dataclasses.fields(City)]


def test_equality_looks_at_every_field() -> None:
    assert rome() == rome()
    assert rome() != rome(population=1)
    assert rome(id="a") != rome(id="b")
    assert rome() != "Rome"  # type: ignore[comparison-overlap]


def test_repr_shows_every_field() -> None:
    assert "Spot(id=None, x=1, y=2)" == repr(Spot(x=1, y=2))

    class Quiet(Map, repr=False):
        name: Field[str]

    assert repr(Quiet(name="x")).startswith("<")


def test_there_are_no_match_args_but_keyword_patterns_work() -> None:
    assert not hasattr(City, "__match_args__")
    match rome():
        case City(name=name, state="IT"):
            assert "Rome" == name
        case _:
            pytest.fail("no match")


def test_instances_hash_only_if_the_class_asks_for_it() -> None:
    class Hashed(Map, unsafe_hash=True):
        name: Field[str]

    with pytest.raises(TypeError, match="unhashable"):
        hash(rome())
    assert hash(Spot(x=1)) == hash(Spot(x=1))
    assert hash(Hashed(name="x")) == hash(Hashed(name="x"))


def test_without_eq_instances_are_compared_by_identity() -> None:
    class Thing(Map, eq=False):
        name: Field[str]

    thing = Thing(name="x")
    assert thing == thing
    assert thing != Thing(name="x")
    assert {thing: 1}


def test_order_compares_fields() -> None:
    assert Spot(id="a", x=1) < Spot(id="a", x=2)
    assert not hasattr(Mayor, "__gt__") or Mayor.__gt__ is object.__gt__  # type: ignore[operator]


def test_frozen_instances_cannot_be_changed() -> None:
    spot = Spot(x=1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        spot.x = 2  # type: ignore[misc]


def test_dataclass_options_are_inherited() -> None:
    class Place(Spot, collection="places"):  # type: ignore[misc]
        name: Field[str]

    with pytest.raises(dataclasses.FrozenInstanceError):
        Place(x=1, name="x").x = 2  # type: ignore[misc]
    assert Place(id="a", x=1, name="a") < Place(id="a", x=1, name="b")


def test_replace_gives_a_changed_copy() -> None:
    assert rome(population=5) == dataclasses.replace(rome(), population=5)


# Attributes


def test_nothing_of_a_field_stays_on_the_class() -> None:
    for name in ("id", "name", "population", "regions", "mayor", "updated"):
        assert all(name not in base.__dict__ for base in City.__mro__)


def test_vars_of_an_instance_are_its_fields() -> None:
    assert [each.name for each in dataclasses.fields(City)] == list(vars(rome()))


def test_an_unset_attribute_is_an_attribute_error() -> None:
    blank = object.__new__(City)
    with pytest.raises(AttributeError, match="name"):
        blank.name  # noqa: B018
    assert not hasattr(blank, "population")


def test_class_variables_and_methods_are_plain() -> None:
    assert 30 == City.LIMIT
    assert "ROME" == rome().shout()


def test_the_class_answers_with_descriptors() -> None:
    assert isinstance(City.name, FieldDescriptor)
    assert City.name is City.name
    assert ("name", "displayName", City) == (City.name.field_name, City.name.alias, City.name.owner)
    assert ("id", "__name__", City) == (City.id.field_name, City.id.alias, City.id.owner)


def test_a_misspelt_field_of_a_class_names_the_nearest() -> None:
    with pytest.raises(AttributeError) as caught:
        City.populaton  # type: ignore[attr-defined]  # noqa: B018
    assert "City has no attribute or field 'populaton'. Did you mean 'population'?" == str(caught.value)
    assert not hasattr(City, "_nothing")
    assert not hasattr(Model, "name")


def test_dir_lists_fields_of_the_class() -> None:
    assert {"name", "id", "shout"} <= set(dir(City))


def test_fields_of_gives_infos_in_order_without_the_id() -> None:
    infos = fields_of(City)
    assert ["name", "state", "population", "regions", "status", "mayor", "created", "updated"] == list(infos)
    name = infos["name"]
    assert ("name", "displayName", str, True) == (name.name, name.alias, name.annotation, name.required)
    assert (0, False) == (infos["population"].default, infos["population"].required)
    assert list is infos["regions"].default_factory
    assert "name" == infos["status"].enum_by
    assert (True, False) == (infos["created"].auto_now_add, infos["created"].auto_now)
    assert (None, False) == (infos["updated"].default, infos["updated"].required)
    with pytest.raises(TypeError):
        infos["x"] = infos["name"]  # type: ignore[index]


def test_fields_of_something_else_is_a_type_error() -> None:
    with pytest.raises(TypeError, match=r"<class 'int'> is neither a Model nor a Map\."):
        fields_of(int)


def test_class_keywords_can_be_read() -> None:
    class Area(Model, collection="areas", parent=City, extra="keep"):
        name: Field[str]

    assert ("areas", City, "keep", "model") == (
        Area.__collection__,
        Area.__parent__,
        Area.__cendry_extra__,
        Area.__cendry_kind__,
    )
    assert ("cities", None, "ignore") == (City.__collection__, City.__parent__, City.__cendry_extra__)
    assert "map" == Mayor.__cendry_kind__


# Names that other things have


def test_names_that_the_class_machinery_has_are_no_trouble() -> None:
    class Odd(Model, collection="odd"):
        mro: Field[int]
        register: Field[str] = field(default="r")
        filter: Field[str] = field(default="f")
        alias: Field[str] = field(default="a")
        owner: Field[str] = field(default="o")
        parent: Field[str] = field(default="p")
        field: Field[str] = "named like the function"  # type: ignore[assignment]
        self: Field[int] = 1  # type: ignore[assignment]
        collection: Field[str] = "c"  # type: ignore[assignment]
        _private: Field[int] = 2  # type: ignore[assignment]
        class_: Field[int] = 3  # type: ignore[assignment]

    odd = Odd(mro=7)
    assert (7, "r", "f", "a", "o", "p", 1) == (
        odd.mro,
        odd.register,
        odd.filter,
        odd.alias,
        odd.owner,
        odd.parent,
        odd.self,
    )
    for name in fields_of(Odd):
        assert getattr(Odd, name).field_name == name
    odd.mro = 8
    assert 8 == odd.mro
    with pytest.raises(AttributeError, match="'Odd' object has no attribute 'mro'"):
        object.__new__(Odd).mro  # noqa: B018


def test_models_may_be_called_model_and_map() -> Any:
    def make() -> tuple[Any, Any]:
        class Map(globals()["Map"]):  # type: ignore[misc]
            name: Field[str]

        class Model(globals()["Model"], collection="models"):  # type: ignore[call-arg, misc]
            inner: Field[Map]

        return Map, Model

    inner, outer = make()
    assert "x" == outer(inner=inner(name="x")).inner.name
    assert "Model.inner[Map.name]" == repr(outer.inner.name)


def test_a_field_wins_over_a_method_of_a_plain_base() -> Any:
    class Base:
        def name(self) -> str:
            return "method"

        @property
        def label(self) -> str:
            return "property"

    class Thing(Base, Map):
        name: Field[str]  # type: ignore[assignment]
        label: Field[str]

    class Sub(Thing):
        pass

    for cls in (Thing, Sub):
        thing = cls(name="x", label="y")
        assert ("x", "y") == (thing.name, thing.label)
        assert cls is cls.name.owner
        assert "label" == cls.label.field_name


def test_abstract_properties_are_met_by_fields() -> None:
    class Labelled(abc.ABC):
        @property
        @abc.abstractmethod
        def label(self) -> str: ...

    class Thing(Labelled, Map):
        label: Field[str]

    assert "x" == Thing(label="x").label


def test_abstract_methods_must_be_met() -> None:
    class Shape(abc.ABC):
        @abc.abstractmethod
        def area(self) -> int: ...

    class Square(Shape, Map):
        side: Field[int]

    with pytest.raises(TypeError, match="area"):
        Square(side=1)  # type: ignore[abstract]


def test_protocols_can_be_bases() -> Any:
    @runtime_checkable
    class Labelled(Protocol):
        def label(self) -> str: ...

    class Thing(Model, Labelled, collection="things"):
        name: Field[str]

        def label(self) -> str:
            return self.name

    assert "x" == Thing(name="x").label()
    assert isinstance(Thing(name="x"), Labelled)
    assert isinstance(Thing(name="x"), Model)
    assert not isinstance(3, Thing)
    assert issubclass(Thing, Model)
    assert not issubclass(Mayor, Model)


# Inheritance


class Stamps(Map):
    created: Field[datetime | None] = field(auto_now_add=True)


class Owned(Model, abstract=True, extra="keep"):
    owner: Field[str]


class Note(Stamps, Owned, collection="notes"):
    text: Field[str]


class LongNote(Note, collection="long_notes"):
    pages: Field[int] = field(default=1, alias="p")


def test_maps_and_abstract_models_give_their_fields_to_models() -> None:
    note = Note(owner="me", text="x")
    assert ("me", "x", None, None) == (note.owner, note.text, note.created, note.id)
    assert ["owner", "created", "text"] == list(fields_of(Note))
    assert ("model", "keep") == (Note.__cendry_kind__, Note.__cendry_extra__)


def test_descriptors_of_a_subclass_name_the_subclass() -> None:
    assert (Note, Note) == (Note.owner.owner, Note.created.owner)
    assert (LongNote, LongNote) == (LongNote.text.owner, LongNote.id.owner)
    assert LongNote.text is not Note.text


def test_a_model_extends_a_model() -> None:
    assert LongNote(owner="me", text="x", pages=3) == LongNote(owner="me", text="x", pages=3)
    assert "long_notes" == LongNote.__collection__
    assert [*fields_of(Note), "pages"] == list(fields_of(LongNote))


def test_a_map_extends_a_map_in_either_order() -> None:
    class Person(Map):
        name: Field[str]

    class Both(Stamps, Person):
        age: Field[int]

    class Doc(Model, Both, collection="docs"):
        pass

    assert "map" == Both.__cendry_kind__
    assert ["name", "created", "age"] == list(fields_of(Both))
    assert "x" == Doc(id="i", name="x", age=3).name


def test_a_field_can_be_declared_anew() -> None:
    class Renamed(Note, collection="renamed"):
        text: Field[int] = field(default=5, alias="t")  # type: ignore[assignment]

    assert 5 == Renamed(owner="me").text
    assert ("t", int) == (fields_of(Renamed)["text"].alias, fields_of(Renamed)["text"].annotation)
    assert str is fields_of(Note)["text"].annotation


def test_a_subclass_without_fields_of_its_own() -> None:
    class Copy(Note, collection="copies"):
        pass

    assert list(fields_of(Note)) == list(fields_of(Copy))
    assert {} == inspect.get_annotations(Copy)


def test_the_annotations_of_a_class_are_the_types_of_the_values() -> None:
    assert str is inspect.get_annotations(City)["state"]


# Copies, pickles, metadata


@pytest.fixture
def read() -> City:
    city = rome(id="SF", regions=["a"])
    city._cendry_metadata = Known("countries/IT/cities/SF")  # type: ignore[attr-defined]
    return city


@pytest.mark.parametrize(
    "duplicate",
    [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x)), lambda x: pickle.loads(pickle.dumps(x, 2))],
    ids=["copy", "deepcopy", "pickle", "pickle-2"],
)
def test_copies_and_pickles_are_equal_and_keep_the_metadata(duplicate: Callable[[Any], Any], read: Any) -> None:
    again = duplicate(read)
    assert read == again
    assert "countries/IT/cities/SF" == again._cendry_metadata.path
    assert duplicate(rome()) == rome()
    assert not hasattr(duplicate(rome()), "_cendry_metadata")


def test_frozen_instances_copy_with_their_metadata() -> None:
    spot = Spot(id="a", x=1)
    object.__setattr__(spot, "_cendry_metadata", Known("spots/a"))
    for again in (copy.copy(spot), pickle.loads(pickle.dumps(spot))):
        assert (spot, "spots/a") == (again, again._cendry_metadata.path)  # type: ignore[union-attr]


def test_replace_makes_a_document_without_metadata(read: Any) -> None:
    assert not hasattr(dataclasses.replace(read, name="x"), "_cendry_metadata")


def test_metadata_is_no_field(read: Any) -> None:
    assert rome(id="SF", regions=["a"]) == read
    assert "metadata" not in f"{read}{dataclasses.asdict(read)}{[each.name for each in dataclasses.fields(read)]}"


def test_metadata_dies_with_the_instance() -> None:
    city = rome()
    known = Known("cities/SF")
    city._cendry_metadata = known  # type: ignore[attr-defined]
    alive = weakref.ref(known)
    del known, city
    gc.collect()
    assert alive() is None


def test_the_path_is_below_the_remembered_parent_under_the_current_id(read: Any) -> None:
    assert "countries/IT/cities/SF" == read._cendry_path()
    read.id = "LA"
    assert "countries/IT/cities/LA" == read._cendry_path()
    assert "cities/SF" == rome(id="SF")._cendry_path()


def test_an_instance_without_id_has_no_path() -> None:
    with pytest.raises(CendryError) as caught:
        rome()._cendry_path()
    assert "This City has no id; set one, or save() it first." == str(caught.value)


def test_an_instance_of_an_abstract_model_has_no_path() -> None:
    with pytest.raises(CendryError) as caught:
        Owned(id="x", owner="me")._cendry_path()
    assert "Owned is abstract: its instances are not documents." == str(caught.value)


def test_an_instance_whose_parent_is_not_known_has_no_path() -> None:
    class Area(Model, collection="areas", parent=City):
        name: Field[str]

    with pytest.raises(CendryError, match="pass the document that it belongs to"):
        Area(id="x", name="y")._cendry_path()


def test_datetimes_and_maps_survive_pickling() -> None:
    city = rome(mayor=Mayor(name="x"), created=datetime(2020, 1, 1, tzinfo=timezone.utc))
    assert city == pickle.loads(pickle.dumps(city))
