"""For every model and every value: nothing is lost, and the compiled way is the interpreted way."""

from __future__ import annotations

import linecache
import sys
import types
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any, NamedTuple, Optional, Union

import pytest
from cendry._model.fields import field
from cendry.codec import codec_for
from cendry.codec.checker import FAILED
from cendry.codec.reader import STORED, Reader, Reading
from cendry.codec.writer import Writer
from cendry.convert import from_dict, to_dict, validate
from cendry.errors import DecodeError, InvalidValueError
from core.strategies import Case, Color, Options, cases, documents
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from making import make_map, make_model, one_field

pytestmark = pytest.mark.slow

USER_DATA = Reading("python", python_values=True, extra="forbid", id_key=True)
JSON = Reading("python", python_values=True, extra="forbid", id_key=True, json="only")


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


def has_64_bits(data: Any) -> bool:
    if isinstance(data, (list, dict)):
        return all(map(has_64_bits, data.values() if isinstance(data, dict) else data))
    return not isinstance(data, int) or -(2**63) <= data < 2**63


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(cases(), junk)
def test_odd_data_either_fits_or_is_named(case: Case, data: Any) -> None:
    model = one_field(case[0])
    codec = codec_for(model)
    # No database holds larger integers, so the compiled way doesn't look.
    if has_64_bits(data):
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
    source: list[str] = linecache.cache[filename][2]  # type: ignore[misc]
    waiting = [compile("".join(source), filename, "exec")]
    found: dict[int, str] = {}
    while waiting:
        for constant in waiting.pop().co_consts:
            if isinstance(constant, types.CodeType):
                waiting.append(constant)
                lines = {line for _, _, line in constant.co_lines() if line is not None}
                found.update({line: source[line - 1] for line in lines - {constant.co_firstlineno}})
    return found


def refuse_13(value: int) -> None:
    if value == 13:
        raise ValueError("unlucky")


@dataclass
class Data:
    x: int
    y: int = 3

    def __post_init__(self) -> None:
        refuse_13(self.x)


class Pairs(NamedTuple):
    a: int
    b: str = "x"


class Loose(Pairs):
    def __new__(cls, a: int, b: str = "x") -> Any:
        refuse_13(a)
        return super().__new__(cls, a, b)


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
        "c": [[{}], [{"more": 1}], [{"x": "y", "more": 1}]],
        "d": [{"x": 1}, {"x": 1, "more": 1}, {"x": 13}],
        "e": [{}, {"more": 1}],
        "f": [[1], [13, ""]],
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
        readers = [
            (codec.decode, stored),
            (codec.decoder(USER_DATA), stored),
            (codec.decoder(Reading("stored", extra="forbid")), stored),
            (codec.decoder(JSON), {**stored, "e": {"color": "red", "when": "2024-01-01"}}),
        ]
        for read, data in readers:
            read(data, "i")
            for name, values in odd_stored.items():
                for value in values:
                    with suppress(DecodeError, ValueError):
                        read({**data, name: value}, "i")
            with suppress(ValueError):
                read({**data, "id": "i", "more": 1}, "i")
        instance = codec.decode(stored)
        for write in (codec.encode, codec.encode_by_name, codec.encode_json_by_name):
            write(instance)
            for name, values in odd_python.items():
                for value in values:
                    with suppress(InvalidValueError):
                        write(replace(instance, **{name: value}))

    # Everything is compiled now: the trace takes the place of that which counts the lines of the package.
    exercise()
    # Decoders of parts only exist to explain what a whole decoder refuses.
    seen = {name: lines for name, lines in lines_run(exercise).items() if "value decoder" not in name}
    assert 7 == len(seen)
    for filename, numbers in seen.items():
        left = [line for number, line in emitted_lines(filename).items() if number not in numbers]
        assert [] == left
