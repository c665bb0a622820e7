"""For every model and every value: nothing is lost, and the compiled way is the interpreted way."""

from __future__ import annotations

import datetime as dt
import enum
import linecache
import sys
import types
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, make_dataclass, replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, Literal, NamedTuple, Optional, Union
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from cendry.codec import codec_for
from cendry.codec.checker import FAILED
from cendry.codec.reader import STORED, Reader, Reading
from cendry.codec.writer import Writer
from cendry.convert import from_dict, to_dict, validate
from cendry.errors import DecodeError, InvalidValueError
from cendry.fields import field
from cendry.reference import Ref
from cendry.values import GeoPoint, Vector
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from making import make_map, make_model, one_field
from typing_extensions import TypedDict

USER_DATA = Reading("python", python_values=True, extra="forbid", id_key=True)


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Pair(NamedTuple):
    first: int
    second: Optional[str]


class Options(TypedDict, total=False):
    color: Color
    when: dt.date


City = make_model({"name": str})

keys = st.text(min_size=1, max_size=6).filter(lambda key: not (key.startswith("__") and key.endswith("__")))
int64 = st.integers(-(2**63), 2**63 - 1)
zones = st.sampled_from([timezone.utc, timezone(timedelta(hours=5)), ZoneInfo("Europe/Berlin")])
moments = st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=zones)
points = st.builds(GeoPoint, st.floats(-90, 90), st.floats(-180, 180))
parts = st.text("abc", min_size=1, max_size=4)

Case = tuple[Any, st.SearchStrategy[Any]]

# Hashable ones first, since sets need them.
HASHABLE: list[Case] = [
    (bool, st.booleans()),
    (int, int64),
    (float, st.floats(allow_nan=False)),
    (str, st.text(max_size=8)),
    (bytes, st.binary(max_size=8)),
    (datetime, moments),
    (GeoPoint, points),
    (Ref[City], st.builds(Ref, st.just(City), parts)),
    (Decimal, st.decimals(allow_nan=False)),
    (UUID, st.uuids()),
    (dt.date, st.dates()),
    (dt.time, st.times()),
    (timedelta, st.timedeltas(timedelta(microseconds=-(2**63)), timedelta(microseconds=2**63 - 1))),
    (Color, st.sampled_from(Color)),
    (Level, st.sampled_from(Level)),
    (Literal["a", 1], st.sampled_from(["a", 1])),
    (Union[int, str], int64 | st.text(max_size=3)),
    (Union[Color, float, dt.date], st.sampled_from(Color) | st.floats(allow_nan=False) | st.dates()),
]


def no_list(value: Any) -> bool:
    return not isinstance(value, list)


stored_anything = st.recursive(
    st.none() | st.booleans() | int64 | st.floats(allow_nan=False) | st.text(max_size=5) | moments | points,
    lambda inner: st.dictionaries(keys, inner | st.lists(inner.filter(no_list), max_size=2), max_size=2),
    max_leaves=4,
)
vectors = st.builds(Vector, st.lists(st.floats(allow_nan=False), max_size=3))
LEAVES: list[Case] = [*HASHABLE, (Vector, vectors), (Any, stored_anything)]
CONTAINERS = ["list", "set", "frozenset", "tuple", "fixed", "dict", "map", "dataclass", "typeddict", "pair", "optional"]


def optional(case: Case) -> Case:
    return Optional[case[0]], st.none() | case[1]


def has_array(annotation: Any) -> bool:
    text = repr(annotation)
    return any(word in text.replace("typing.", "") for word in ("list[", "set[", "tuple[", "Pair", "Vector", "Any"))


@st.composite
def cases(draw: st.DrawFn, depth: int = 0) -> Case:
    """A type and its values."""
    if depth > 2 or draw(st.booleans()):
        return draw(st.sampled_from(LEAVES) | st.sampled_from(LEAVES[:-1]).map(optional))
    kind = draw(st.sampled_from(CONTAINERS))
    if kind in ("set", "frozenset"):
        annotation, values = draw(st.sampled_from(HASHABLE))
        make: Any = st.sets if kind == "set" else st.frozensets
        return {"set": set, "frozenset": frozenset}[kind][annotation], make(values, max_size=3)
    if kind == "pair":
        return Pair, st.builds(Pair, int64, st.none() | st.text(max_size=3))
    if kind == "typeddict":
        return Options, st.fixed_dictionaries({}, optional={"color": st.sampled_from(Color), "when": st.dates()})
    if kind == "fixed":
        chosen = draw(st.lists(st.sampled_from(HASHABLE), max_size=3))
        return tuple[tuple(annotation for annotation, _ in chosen)], st.tuples(*(values for _, values in chosen))  # type: ignore[misc]
    inner, values = draw(cases(depth + 1))
    if kind in ("list", "tuple"):
        if has_array(inner):
            inner, values = draw(st.sampled_from(HASHABLE))
        listed = st.lists(values, max_size=3)
        return (list[inner], listed) if kind == "list" else (tuple[inner, ...], listed.map(tuple))
    if kind == "dict":
        return dict[str, inner], st.dictionaries(keys, values, max_size=3)
    if kind == "optional":
        return (inner, values) if inner is Any else optional((inner, values))
    if kind == "dataclass":
        made = make_dataclass("Data", [("x", inner), ("y", int, 3)])
        return made, st.builds(made, x=values, y=int64)
    part = make_map({"a": (inner, field(alias=draw(keys))), "b": (int, field(default=0)), "id": Optional[str]})
    return part, st.builds(part, a=values, b=int64, id=st.none() | st.text(max_size=3))


@st.composite
def documents(draw: st.DrawFn) -> Any:
    """An instance of some model."""
    count = draw(st.integers(1, 3))
    fields: dict[str, Any] = {}
    values: dict[str, Any] = {}
    for index in range(count):
        annotation, strategy = draw(cases())
        how = draw(st.sampled_from(["value", "name"]))
        fields[f"f{index}"] = (annotation, field(alias=f"alias {index}", enum_by=how))
        values[f"f{index}"] = draw(strategy)
    frozen = draw(st.booleans())
    return make_model(fields, frozen=frozen)(id=draw(st.none() | parts), **values)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(documents())
def test_every_document_survives_every_way(document: Any) -> None:
    model = type(document)
    codec = codec_for(model)

    assert document == from_dict(model, to_dict(document, include_id=True), include_id=True)
    assert document == from_dict(
        model, to_dict(document, include_id=True, by_alias=True), include_id=True, by_alias=True
    )
    stored = codec.encode(document)
    assert document == codec.decode(stored, document.id)
    assert stored == codec.encode(codec.decode(stored, document.id))
    assert [] == validate(model, to_dict(document))

    # The compiled way and the interpreted way agree.
    assert repr(stored) == repr(Writer().fields(codec.shape, document, "", 0))
    assert document == Reader(STORED).fields(codec.shape, stored, "", 0, document.id)
    by_name = to_dict(document)
    assert document == Reader(USER_DATA).fields(codec.shape, by_name, "", 0, document.id)
    for name in codec.shape.fields:
        resolved = codec.resolve((name.name,))
        assert stored[name.stored] == resolved.encode(getattr(document, name.name))
        assert getattr(document, name.name) == resolved.decode(stored[name.stored])


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.binary(max_size=2),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=5,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(cases(), junk)
def test_odd_data_either_fits_or_is_named(case: Case, data: Any) -> None:
    model = one_field(case[0])
    codec = codec_for(model)
    expected = Reader(STORED).fields(codec.shape, {"x": data}, "", 0, "i")
    try:
        found = codec.decode({"x": data}, "i", "docs/i")
    except DecodeError:
        assert expected is FAILED
    else:
        assert repr(expected) == repr(found)
    problems = validate(model, {"x": data})
    if problems:
        with pytest.raises((DecodeError, TypeError)):
            from_dict(model, {"x": data})
    else:
        codec.encode(from_dict(model, {"x": data}))


# Coverage doesn't see generated code, so that its lines are counted here.


def lines_run(action: Callable[[], object]) -> dict[str, set[int]]:
    seen: dict[str, set[int]] = {}

    def trace(frame: types.FrameType, event: str, argument: Any) -> Any:
        filename = frame.f_code.co_filename
        if not filename.startswith("<cendry "):
            return None
        seen.setdefault(filename, set()).add(frame.f_lineno)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        action()
    finally:
        sys.settrace(before)
    return seen


def emitted_lines(filename: str) -> dict[int, str]:
    """The lines of a generated module that can run."""
    source: list[str] = linecache.cache[filename][2]  # type: ignore[misc, assignment]
    waiting = [compile("".join(source), filename, "exec")]
    found: dict[int, str] = {}
    while waiting:
        for constant in waiting.pop().co_consts:
            if isinstance(constant, types.CodeType):
                waiting.append(constant)
                lines = {line for _, _, line in constant.co_lines() if line is not None}
                found.update({line: source[line - 1] for line in lines - {constant.co_firstlineno}})
    return found


@dataclass
class Data:
    x: int
    y: int = 3


class Loose(NamedTuple):
    a: int
    b: str = "x"


TOO_DEEP: Any = 1
for _ in range(21):
    TOO_DEEP = {"a": TOO_DEEP}


def test_every_line_of_the_emitted_source_runs() -> None:
    model = make_model(
        {
            "a": (int, field(default=1)),
            "b": Optional[str],
            "c": list[make_map({"x": (str, field(default_factory=str))})],  # type: ignore[misc]
            "d": Data,
            "e": Options,
            "f": Loose,
            "g": tuple[int, Color],
            "h": Union[int, str],
            "i": (Union[float, list[int]], field(default=0.5)),
            "j": Any,
            "k": frozenset[str],
        }
    )
    codec = codec_for(model)
    stored: dict[str, Any] = {
        "a": 1,
        "b": "x",
        "c": [{"x": "y"}],
        "d": {"x": 1, "y": 2},
        "e": {"color": "red", "when": datetime(2024, 1, 1, tzinfo=timezone.utc)},
        "f": [1, "b"],
        "g": [1, "red"],
        "h": "x",
        "i": [1],
        "j": {"x": 1},
        "k": ["a"],
    }
    odd_stored: dict[str, list[Any]] = {
        "c": [[{}], [{"more": 1}]],
        "d": [{"x": 1}, {"x": 1, "more": 1}],
        "e": [{}, {"more": 1}],
        "f": [[1]],
        "g": [[1]],
        "h": [1, 1.0],
        "i": [1.5, 1],
        "j": [TOO_DEEP],
        "more": [1],
    }
    odd_python: dict[str, list[Any]] = {
        "e": [{}, {"more": 1}],
        "f": [(1,)],
        "g": [(1,)],
        "h": [1, 1.5],
        "i": [1.5, "x"],
        "j": [TOO_DEEP],
    }

    def exercise() -> None:
        readers = [codec.decode, codec.decoder(USER_DATA), codec.decoder(Reading("stored", extra="forbid"))]
        for read in readers:
            read(stored, "i")
            for name, values in odd_stored.items():
                for value in values:
                    with suppress(DecodeError):
                        read({**stored, name: value}, "i")
        instance = codec.decode(stored)
        for write in (codec.encode, codec.encode_by_name):
            write(instance)
            for name, values in odd_python.items():
                for value in values:
                    with suppress(InvalidValueError):
                        write(replace(instance, **{name: value}))

    seen = lines_run(exercise)
    assert 5 == len(seen)
    for filename, numbers in seen.items():
        left = [line for number, line in emitted_lines(filename).items() if number not in numbers]
        assert [] == left
