"""Whole documents through the codec: absent fields, extra ones, ids, hooks, masks, and what is compiled."""

from __future__ import annotations

import dataclasses
import enum
import gc
import linecache
import traceback
import weakref
from dataclasses import dataclass
from datetime import date, datetime, time, timezone
from typing import Any, Optional

import pytest
from cendry._model.fields import Field, field
from cendry._model.model import Map, Model
from cendry._types.registry import TypeRegistry
from cendry._types.shapes import DocumentId
from cendry.codec import Codec, codec_for, source_of
from cendry.codec.reader import STORED, Reader
from cendry.convert import from_dict
from cendry.errors import DecodeError, InvalidValueError, ValidationError
from cendry.paths import FieldPath
from making import make_map, make_model, one_field

UTC = timezone.utc


class Status(enum.Enum):
    OPEN = "open"


class Mayor(Map):
    name: Field[str] = field(alias="full name")
    since: Field[int] = field(default=2000)


class City(Model, collection="cities"):
    name: Field[str] = field(alias="displayName")
    population: Field[int] = field(default=7)
    capital: Field[bool] = field(default=False)
    status: Field[Status] = field(default=Status.OPEN)
    regions: Field[list[str]] = field(default_factory=list)
    ratings: Field[dict[str, int]] = field(default_factory=dict)
    tags: Field[set[str]] = field(default_factory=set)
    lucky: Field[list[int]] = field(default_factory=lambda: [7])
    mayor: Field[Mayor | None] = field(default=None)
    note: Field[str | None] = field(default="none yet")
    anything: Field[Any] = field(default=5)
    either: Field[int | str] = field(default="x")
    created: Field[datetime] = field(auto_now_add=True)
    day: Field[date] = field(auto_now=True)
    hour: Field[time | None] = field(auto_now=True)


class Frozen(Model, collection="frozen", frozen=True):
    x: Field[int]


class Strict(Model, collection="strict", extra="forbid"):
    x: Field[int]
    mayor: Field[Mayor | None] = field(default=None)


class StrictMap(Map, extra="forbid"):
    x: Field[int]


class Hooked(Model, collection="hooked"):
    x: Field[int]

    def __post_init__(self) -> None:
        if self.x < 0:
            raise ValueError("x must not be negative")
        self.x += 1


class HookedMap(Map):
    x: Field[int]

    def __post_init__(self) -> None:
        if self.x < 0:
            raise ValueError("x must not be negative")


def test_absent_fields_read_as_their_defaults() -> None:
    city = codec_for(City).decode({"displayName": "SF"}, "SF")
    assert City(id="SF", name="SF") == city
    assert (7, False, Status.OPEN, [], {}, set(), [7]) == (
        city.population,
        city.capital,
        city.status,
        city.regions,
        city.ratings,
        city.tags,
        city.lucky,
    )
    assert (None, "none yet", 5, "x", None, None, None) == (  # type: ignore[comparison-overlap]
        city.mayor,
        city.note,
        city.anything,
        city.either,
        city.created,
        city.day,
        city.hour,
    )
    # A stored null is another thing than an absent field.
    assert codec_for(City).decode({"displayName": "SF", "note": None}).note is None
    other = codec_for(City).decode({"displayName": "SF"})
    assert city.regions is not other.regions
    assert city.lucky is not other.lucky


def test_null_does_not_stand_for_a_default() -> None:
    with pytest.raises(DecodeError, match="population: expected int, found None"):
        codec_for(City).decode({"displayName": "SF", "population": None}, "SF", "cities/SF")


def test_the_odd_way_gives_the_same_defaults() -> None:
    # An int that is stored as a float isn't right at first sight; all else must not suffer from it.
    assert City(id="SF", name="SF", population=5) == codec_for(City).decode(
        {"displayName": "SF", "population": 5.0}, "SF"
    )


def test_a_missing_field_is_named_with_its_stored_name() -> None:
    with pytest.raises(DecodeError) as caught:
        codec_for(City).decode({"mayor": {}}, "SF", "cities/SF")
    assert "cities/SF" == caught.value.path
    assert "City" == caught.value.model
    assert "name" == caught.value.field
    assert (
        "Document 'cities/SF' doesn't fit City: name: expected str, found nothing (it is stored as 'displayName')"
        in str(caught.value)
    )


def test_auto_fields_are_null_until_they_are_set() -> None:
    city = City(name="SF")
    stored = codec_for(City).encode(city)
    assert (None, None, None) == (stored["created"], stored["day"], stored["hour"])
    moment = datetime(2024, 5, 6, 7, tzinfo=UTC)
    assert moment == codec_for(City).encode_field("created", moment)
    assert codec_for(City).encode_field("day", None) is None


def test_ids_are_set_on_models_alone() -> None:
    assert "SF" == codec_for(City).decode({"displayName": "x"}, "SF").id
    assert not hasattr(codec_for(Mayor).decode({"full name": "x"}), "id")


def test_frozen_models() -> None:
    assert Frozen(id="i", x=1) == codec_for(Frozen).decode({"x": 1}, "i")
    assert Frozen(id="i", x=1) == codec_for(Frozen).decode({"x": 1.0}, "i")
    with pytest.raises(dataclasses.FrozenInstanceError):
        codec_for(Frozen).decode({"x": 1}, "i").x = 2  # type: ignore[misc]


def test_extra_fields_follow_the_class() -> None:
    assert Mayor(name="x") == codec_for(Mayor).decode({"full name": "x", "more": 1})
    strict = codec_for(Strict)
    assert Strict(x=1, mayor=Mayor(name="M")) == strict.decode({"x": 1, "mayor": {"full name": "M", "more": 1}})
    with pytest.raises(DecodeError) as caught:
        strict.decode({"x": 1, "mayr": 2}, "i", "strict/i")
    assert (
        "Document 'strict/i' doesn't fit Strict: mayr: expected only declared fields of Strict, "
        "found the key 'mayr' (did you mean 'mayor'?)." == str(caught.value)
    )
    with pytest.raises(DecodeError, match=r"x\.`odd key`: expected only declared fields of StrictMap"):
        codec_for(one_field(StrictMap)).decode({"x": {"x": 1, "odd key": 1}})


def test_post_init_runs_on_hydration() -> None:
    assert 6 == codec_for(Hooked).decode({"x": 5}).x
    assert 6 == codec_for(Hooked).decode({"x": 5.0}).x


def test_what_post_init_refuses_names_the_document() -> None:
    with pytest.raises(DecodeError) as caught:
        codec_for(Hooked).decode({"x": -1}, "i", "hooked/i")
    assert (
        "Document 'hooked/i' doesn't fit Hooked: the document: expected what Hooked accepts, "
        "found dict {'x': -1} (ValueError: x must not be negative)." == str(caught.value)
    )
    assert isinstance(caught.value.__cause__, ValueError)
    with pytest.raises(DecodeError, match=r"x: expected what HookedMap accepts, found dict {'x': -1} \(ValueError"):
        codec_for(one_field(HookedMap)).decode({"x": {"x": -1}})


def test_only_instances_of_the_class_are_encoded() -> None:
    with pytest.raises(TypeError, match="expected an instance of City, not 3"):
        codec_for(City).encode(3)  # type: ignore[arg-type]


def test_a_subclass_has_its_own_codec() -> None:
    class Capital(City, collection="capitals"):
        country: Field[str]

    capital = Capital(id="B", name="Berlin", country="DE")
    assert codec_for(Capital) is not codec_for(City)
    assert capital == codec_for(Capital).decode(codec_for(Capital).encode(capital), "B")


def test_aliases_of_any_kind_are_kept() -> None:
    model = make_model(
        {f"x{index}": (int, field(alias=alias)) for index, alias in enumerate(("a.b", "1st", "ü", "c d", "`", "'"))}
    )
    codec = codec_for(model)
    instance = model(**{f"x{index}": index for index in range(6)})
    assert {"a.b": 0, "1st": 1, "ü": 2, "c d": 3, "`": 4, "'": 5} == codec.encode(instance)
    assert instance == codec.decode(codec.encode(instance))
    assert FieldPath("a.b") == codec.resolve(("x0",)).path


def test_codecs_are_for_models_and_maps() -> None:
    with pytest.raises(TypeError, match="is neither a Model nor a Map"):
        codec_for(int)


def test_codecs_are_made_once_per_class_and_registry() -> None:
    assert codec_for(City) is codec_for(City)
    registry = TypeRegistry()
    assert codec_for(City, registry) is codec_for(City, registry)
    assert codec_for(City, registry) is not codec_for(City)
    assert isinstance(codec_for(City), Codec)


def test_generated_source_shows_in_tracebacks_and_goes_with_its_class() -> None:
    model = one_field(int)
    try:
        codec_for(model).decode({"x": "text"})
    except DecodeError as error:
        shown = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    assert "<cendry decoder of making.Doc" in shown
    assert "return explain(error, data, document_id, path)" in shown
    source = source_of(model)
    assert "def decode(data, document_id=None, path=None):" in source
    assert "def encode(o):" in source
    (filename,) = (
        name for name in linecache.cache if name.startswith("<cendry decoder of making.Doc") and name in shown
    )
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None
    assert filename not in linecache.cache


def test_classes_of_any_name_can_be_compiled() -> None:
    for name in ("Grün", "a b", "1", "x():\n    import os\ndef y", "int"):
        part = make_map({"x": int}, name)
        model = one_field(list[part])  # type: ignore[valid-type]
        codec = codec_for(model)
        assert {"x": [{"x": 1}]} == codec.encode(model(x=[part(x=1)]))
        assert model(x=[part(x=1)]) == codec.decode({"x": [{"x": 1}]})


# Places


@dataclass
class Box:
    size: int


Deep = make_model(
    {
        "mayor": (Mayor, field(alias="the mayor")),
        "maybe": Optional[Mayor],
        "attributes": dict[str, dict[str, int]],
        "anything": Any,
        "box": Box,
        "regions": list[str],
        "pair": tuple[int, str],
        "same": tuple[int, int],
        "tags": Optional[set[Status]],
        "mixed": "int | list[str]",
    }
)


@pytest.mark.parametrize(
    ("text", "names", "path"),
    [
        ("mayor", ("mayor",), FieldPath("the mayor")),
        ("mayor.name", ("mayor", "name"), FieldPath("the mayor", "full name")),
        ("maybe.since", ("maybe", "since"), FieldPath("maybe", "since")),
        ("attributes.`k.x`", ("attributes", "k.x"), FieldPath("attributes", "k.x")),
        ("attributes.a.b", ("attributes", "a", "b"), FieldPath("attributes", "a", "b")),
        ("anything.a.b.c", ("anything", "a", "b", "c"), FieldPath("anything", "a", "b", "c")),
        ("box.size", ("box", "size"), FieldPath("box", "size")),
        ("id", ("id",), FieldPath("__name__")),
    ],
)
def test_declared_names_lead_to_stored_places(text: str, names: Any, path: Any) -> None:
    resolved = codec_for(Deep).resolve_text(text)
    assert (names, path) == (resolved.names, resolved.path)
    assert text == resolved.text
    assert codec_for(Deep).resolve(names).path == path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mayr", "Doc has no field 'mayr'. Did you mean 'mayor' or 'maybe'?"),
        ("mayor.nam", "Doc has no field 'mayor.nam'. Did you mean 'mayor.name'?"),
        ("the mayor", "Doc has no field '`the mayor`'."),
        ("ids", "Doc has no field 'ids'. Did you mean 'id'?"),
        ("maybe.sinc.x", "Doc has no field 'maybe.sinc.x'. Did you mean 'maybe.since.x'?"),
        ("mayor.id", "Doc has no field 'mayor.id'."),
        ("regions.x", "Doc has no field 'regions.x'."),
        ("box.size.x", "Doc has no field 'box.size.x'."),
        ("a..b", "Doc has no field 'a..b'."),
        ("", "Doc has no field ''."),
    ],
)
def test_unknown_names_come_with_the_nearest_ones(text: str, message: str) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011
        codec_for(Deep).resolve_text(text)
    assert message in str(caught.value)
    assert "UnknownFieldError" == type(caught.value).__name__


def test_a_key_that_cannot_be_stored_is_refused() -> None:
    with pytest.raises(InvalidValueError, match=r"Doc\.attributes\.__x__: expected a valid key, found .*reserved"):
        codec_for(Deep).resolve(("attributes", "__x__"))


def test_values_are_converted_by_their_place() -> None:
    codec = codec_for(Deep)
    assert {"full name": "x", "since": 1} == codec.resolve(("mayor",)).encode(Mayor(name="x", since=1))
    assert Mayor(name="x", since=1) == codec.resolve(("mayor",)).decode({"full name": "x", "since": 1})
    with pytest.raises(InvalidValueError, match=r"Doc\.mayor\.since: expected int, found str 'x'"):
        codec.resolve(("mayor", "since")).encode("x")
    with pytest.raises(InvalidValueError, match=r"Doc\.attributes\.`a b`\.c: expected int, found str 'x'"):
        codec.resolve(("attributes", "a b")).encode({"c": "x"})
    with pytest.raises(DecodeError, match=r"Document 'docs/i' doesn't fit Doc: mayor\.since: expected int"):
        codec.resolve(("mayor", "since")).decode("x", "docs/i")
    assert 5 == codec.resolve(("mayor", "since")).decode(5.0)
    assert 5 == codec.resolve(("mayor", "since")).encode(5.0)
    assert "SF" == codec.resolve(("id",)).encode("SF") == codec.resolve(("id",)).decode("SF")
    assert "SF" == Reader(STORED).read(DocumentId(), "SF")
    assert codec.resolve(("mayor",)) is codec.resolve(("mayor",))
    assert codec.resolve(("attributes", "a")) is not codec.resolve(("attributes", "a"))


def test_elements_of_arrays_are_converted() -> None:
    codec = codec_for(Deep)

    def element(name: str) -> Any:
        return codec.resolve((name,)).encode_element

    assert "open" == element("tags")(Status.OPEN)
    assert "a" == element("regions")("a")
    assert "a" == element("mixed")("a")
    assert (1, "a") == (element("pair")(1), element("pair")("a"))
    assert 1 == element("same")(1)
    assert {"a": 1} == element("anything")({"a": 1})
    assert element("mayor") is None
    with pytest.raises(InvalidValueError, match=r"Doc\.tags: expected Status by value \('open'\), found str 'open'"):
        element("tags")("open")
    with pytest.raises(InvalidValueError, match=r"Doc\.same: expected int, found str 'x'"):
        element("same")("x")


def test_stored_paths_are_taken_as_they_are() -> None:
    resolved = codec_for(City).resolve_stored(FieldPath("displayName"))
    assert FieldPath("displayName") == resolved.path
    assert {"a": [1]} == resolved.encode({"a": [1]})
    with pytest.raises(InvalidValueError, match=r"City\.displayName: expected a value that Firestore can hold"):
        resolved.encode(Status.OPEN)


def test_places_are_read_from_documents() -> None:
    codec = codec_for(City)
    data = {"displayName": "x", "mayor": {"full name": "M", "since": 5.0}, "ratings": {"a": 1}}

    def read(*names: str, document: Any = data) -> Any:
        return codec.resolve(names).read(document, "cities/SF")

    assert ("x", 5, "M", 1) == (read("name"), read("mayor", "since"), read("mayor", "name"), read("ratings", "a"))
    assert (7, [7], None) == (read("population"), read("lucky"), read("ratings", "b"))
    assert 2000 == read("mayor", "since", document={"mayor": {}})
    assert read("mayor", "since", document={"mayor": None}) is None
    assert read("mayor", "since", document={}) is None
    assert read("created", document={}) is None
    with pytest.raises(DecodeError, match="name: expected str, found nothing"):
        read("name", document={})
    with pytest.raises(DecodeError, match=r"mayor\.since: expected a map on the way to it, found int"):
        read("mayor", "since", document={"mayor": 5})
    typed = codec_for(one_field(Box))
    assert 3 == typed.resolve(("x", "size")).read({"x": {"size": 3}})


def test_what_lies_in_an_absent_map_reads_as_in_its_default() -> None:
    class Spot(Map):
        name: Field[str]
        rank: Field[int] = field(default=3)
        mayor: Field[Mayor | None] = field(default=None)

    class Place(Model, collection="places"):
        given: Field[Spot] = field(default_factory=lambda: Spot(name="n"))
        shared: Field[dict[str, Spot]] = field(default_factory=dict)
        required: Field[Spot]

    codec = codec_for(Place)

    def read(*names: str) -> Any:
        return codec.resolve(names).read({}, "places/x")

    assert ("n", 3, None) == (read("given", "name"), read("given", "rank"), read("given", "mayor", "since"))
    assert read("shared", "a", "rank") is None
    assert 3 == read("required", "rank")
    with pytest.raises(DecodeError, match=r"Document 'places/x' doesn't fit .*Place: required\.name: .* found nothing"):
        read("required", "name")
    assert codec.resolve_stored(FieldPath("given", "rank")).read({}) is None


def test_absent_optional_keys_read_as_none() -> None:
    @dataclass
    class Loose:
        size: int = 3

    assert codec_for(one_field(Loose)).resolve(("x", "size")).read({"x": {}}) is None


# Masks


Kept = make_model(
    {
        "name": (str, field(alias="n")),
        "mayor": Mayor,
        "maybe": Optional[Mayor],
        "box": Box,
        "empty": make_map({}),
        "ratings": dict[str, int],
        "former": list[Mayor],
        "nested": make_map({"mayor": Mayor}),
    },
    extra="keep",
)


def test_the_mask_names_declared_places_inside_maps_too() -> None:
    mayor = {"full name": "M", "since": 1}
    data = {
        "n": "x",
        "mayor": mayor,
        "maybe": None,
        "box": {"size": 1},
        "empty": {},
        "ratings": {"a": 1},
        "former": [mayor],
        "nested": {"mayor": mayor},
    }
    codec = codec_for(Kept)
    expected = (
        FieldPath("n"),
        FieldPath("mayor", "full name"),
        FieldPath("mayor", "since"),
        FieldPath("maybe"),
        FieldPath("box", "size"),
        FieldPath("empty"),
        FieldPath("ratings"),
        FieldPath("former"),
        FieldPath("nested", "mayor", "full name"),
        FieldPath("nested", "mayor", "since"),
    )
    assert expected == codec.mask(data)
    assert (FieldPath("maybe", "full name"), FieldPath("maybe", "since")) == codec.mask({**data, "maybe": mayor})[3:5]
    assert expected == codec.mask(data)


@pytest.mark.parametrize("value", [{"a": 1}, {"a": float("nan")}, {"a": b"x", "b": None}])
def test_what_a_hook_refuses_is_asked_once_and_named_with_all_else(value: Any) -> None:
    calls: list[str] = []

    class Inner(Map):
        name: Field[str]
        value: Field[Any]

        def __post_init__(self) -> None:
            calls.append(self.name)
            if self.name.startswith("bad"):
                raise ValueError("bad")

    @dataclass
    class Data:
        x: int

        def __post_init__(self) -> None:
            calls.append(f"data {self.x}")
            if self.x < 0:
                raise ValueError("negative")

    class Outer(Model, collection="outer"):
        first: Field[Inner]
        several: Field[list[Inner]]
        data: Field[Data]
        pair: Field[tuple[Inner, int]]

        def __post_init__(self) -> None:
            calls.append("outer")

    def stored(name: str, value: Any = value) -> dict[str, Any]:
        return {"name": name, "value": value}

    fitting = {"first": stored("f"), "several": [stored("s")], "data": {"x": 1}, "pair": [stored("p"), 1]}
    for changed, field_name, more, expected in (
        ({"first": stored("bad f")}, "first", 0, ["bad f", "s", "data 1", "p"]),
        ({"several": [stored("bad s"), stored("bad t")]}, "several[0]", 1, ["f", "bad s", "bad t", "data 1", "p"]),
        ({"data": {"x": -1}, "pair": [stored("bad p"), 1]}, "data", 1, ["f", "s", "data -1", "bad p"]),
        ({"pair": [stored("bad p"), "text"]}, "pair[0]", 1, ["f", "s", "data 1", "bad p"]),
    ):
        calls.clear()
        with pytest.raises(DecodeError) as caught:
            codec_for(Outer).decode({**fitting, **changed})
        assert (field_name, more) == (caught.value.field, int("1 more" in str(caught.value)))
        assert isinstance(caught.value.__cause__, ValueError)
        assert expected == calls


def test_user_data_that_a_hook_refuses_run_it_once() -> None:
    error = ValueError("refused")
    calls: list[Any] = []

    class Strict(Model, collection="strict"):
        part: Field[HookedMap]
        x: Field[int]

        def __post_init__(self) -> None:
            calls.append(self.x)
            raise error

    for x in (5, 5.0):
        with pytest.raises(ValidationError, match="refused") as caught:
            from_dict(Strict, {"part": {"x": 1}, "x": x})
        assert caught.value.__cause__ is error
        assert {} == vars(error)
    assert [5, 5] == calls


def test_what_is_refused_and_not_equal_to_itself_is_refused_all_the_same() -> None:
    class Odd:
        def __eq__(self, other: object) -> bool:
            return False

        __hash__ = None  # type: ignore[assignment]

    class Refusing(Model, collection="refusing"):
        x: Field[Any]

        def __post_init__(self) -> None:
            raise ValueError("refused")

    with pytest.raises(DecodeError, match=r"the document: expected .*Refusing accepts.*ValueError: refused"):
        codec_for(Refusing).decode({"x": Odd()})


def test_what_a_hook_refuses_is_found_among_maps_of_other_sizes() -> None:
    class Inner(Map):
        name: Field[str]
        value: Field[int] = field(default=0)

        def __post_init__(self) -> None:
            if self.name == "bad":
                raise ValueError("refused")

    class Outer(Model, collection="outer"):
        several: Field[list[Inner]]

    with pytest.raises(DecodeError, match=r"several\[1\]: expected .*Inner accepts.*ValueError: refused"):
        codec_for(Outer).decode({"several": [{"name": "good", "value": 1}, {"name": "bad"}]})


def test_what_is_refused_and_read_anew_each_time_is_refused_all_the_same() -> None:
    class Odd:
        def __eq__(self, other: object) -> bool:
            return False

        __hash__ = None  # type: ignore[assignment]

    class Anew(dict[str, Any]):
        def __getitem__(self, name: str) -> Any:
            return {"x": Odd()}

    class Inner(Map):
        x: Field[Any]

        def __post_init__(self) -> None:
            raise ValueError("refused")

    class Outer(Model, collection="outer"):
        part: Field[Inner]

    with pytest.raises(DecodeError, match=r"Inner accepts.*ValueError: refused"):
        codec_for(Outer).decode(Anew(part=None))


def test_a_path_that_is_too_long_is_shortened_in_the_message() -> None:
    with pytest.raises(InvalidValueError, match=r"expected a field path.*has over 20 segments") as caught:
        codec_for(City).resolve_text(".".join(["name" * 5] * 21))
    assert "...: expected" in str(caught.value)
