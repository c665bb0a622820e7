"""Reading data for other libraries: an instance or changes, and problems instead of errors."""

from __future__ import annotations

from datetime import date, datetime, timezone
from decimal import Decimal
from types import MappingProxyType
from typing import Annotated, Any

import pytest
from annotated_types import Gt
from cendry import Field, GeoPoint, Map, Model, field
from cendry._types.subsets import subset_of
from cendry.codec import Codec, codec_for
from cendry.codec.inputs import read_changes
from cendry.codec.reading import Reading
from cendry.errors import Problem, ValidationError
from making import make_model

JSON = Reading("python", python_values=True, extra="forbid", json="only")
BOTH = Reading("python", python_values=True, extra="forbid", json="also")


class Step(Map):
    title: Field[str]
    due: Field[date] = field(default=date(2026, 1, 1))


class Task(Model, collection="tasks"):
    title: Field[str] = field(alias="the title")
    price: Field[Annotated[Decimal, Gt(0)]]
    at: Field[datetime]
    place: Field[GeoPoint | None] = field(default=None)
    steps: Field[list[Step]] = field(default_factory=list)
    more: Field[Any] = field(default=None)
    secret: Field[date | None] = field(default=None, repr=False)

    def __validate__(self) -> None:
        if self.title == "never":
            raise ValueError("never")


CODEC = codec_for(Task)
AT = datetime(2026, 1, 31, tzinfo=timezone.utc)
DATA: dict[str, Any] = {"title": "a", "price": "1.5", "at": "2026-01-31T00:00:00Z"}
TASK = Task(id="t", title="a", price=Decimal("1.5"), at=AT)


def read(
    codec: Codec[Any], data: dict[str, Any], reading: Reading, document_id: str | None = None
) -> tuple[Any, list[Problem]]:
    """An instance, or `None` with the problems of the data."""
    try:
        return codec.decoder(reading)(data, document_id), []
    except ValidationError as error:
        return None, list(error.problems)


def test_an_instance() -> None:
    assert (TASK, []) == read(CODEC, DATA, JSON, "t")
    assert (TASK, []) == read(CODEC, DATA, BOTH, "t")


def test_python_values_are_taken_if_asked_for() -> None:
    step = Step(title="x")
    given = {"title": "a", "price": Decimal("1.5"), "at": AT, "place": GeoPoint(1, 2), "steps": [step], "more": [AT]}
    expected = Task(id="t", title="a", price=Decimal("1.5"), at=AT, place=GeoPoint(1, 2), steps=[step], more=[AT])
    assert (expected, []) == read(CODEC, given, BOTH, "t")
    problems = read(CODEC, given, JSON)[1]
    assert ["price", "at", "place", "steps[0]", "more[0]"] == [each.path for each in problems]


def test_left_out_fields_of_maps_that_are_no_dicts() -> None:
    codec = CODEC.only(subset_of([("steps", "due")], only=False))
    task = Task(title="a", price=Decimal("1.5"), at=AT, steps=[Step(title="x")])
    assert (task, []) == read(codec, {**DATA, "steps": [MappingProxyType({"title": "x"})]}, JSON)
    problems = read(codec, {**DATA, "steps": [MappingProxyType({"title": "x", "due": "2026-01-01"})]}, JSON)[1]
    assert ["steps[0].due"] == [each.path for each in problems]


def test_problems_instead_of_an_error() -> None:
    problems = read(CODEC, {**DATA, "price": "-1", "steps": [{"due": 5}], "nam": 1}, JSON)[1]
    assert [
        ("price", "gt"), ("steps[0].title", "missing"), ("steps[0].due", "value"), ("nam", "unknown")
    ] == [(each.path, each.code) for each in problems]  # fmt: skip
    problems = read(CODEC, {**DATA, "title": "never"}, JSON)[1]
    assert [("", "rule")] == [(each.path, each.code) for each in problems]


@pytest.mark.parametrize("reading", [JSON, BOTH])
def test_changes(reading: Reading) -> None:
    data = {"price": "2", "steps": [{"title": "x", "due": "2026-01-02"}], "place": None, "title": "never"}
    assert (
        {"title": "never", "price": Decimal(2), "place": None, "steps": [Step(title="x", due=date(2026, 1, 2))]},
        [],
    ) == read_changes(CODEC, data, reading)
    assert ({}, []) == read_changes(CODEC, {}, reading)


def test_problems_of_changes() -> None:
    data = {"title": "x", "price": "-1", "steps": [{}], "id": "u", "the title": "y", "secret": "hunter2"}
    found, problems = read_changes(CODEC, data, JSON)
    assert {"title": "x"} == found
    assert [
        ("price", "gt"), ("steps[0].title", "missing"), ("secret", "value"),
        ("id", "unknown"), ("`the title`", "unknown"),
    ] == [(each.path, each.code) for each in problems]  # fmt: skip
    assert "hunter2" not in repr(problems)
    many = {f"key {number}": 1 for number in range(200)}
    found, problems = read_changes(CODEC, {"title": "x", **many}, JSON)
    assert ({}, 100) == (found, len(problems))


def test_what_looks_alike_is_refused_here_too() -> None:
    codec = codec_for(make_model({"x": datetime | str}))
    for _ in range(2):
        with pytest.raises(TypeError, match=r"Doc\.x: datetime and str are both strings in JSON"):
            read(codec, {}, JSON)
        with pytest.raises(TypeError, match=r"Doc\.x: datetime and str are both strings in JSON"):
            read_changes(codec, {}, BOTH)
