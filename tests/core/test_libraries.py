"""What other libraries that read dataclasses make of a model."""

from __future__ import annotations

import sys
import types
import typing
from datetime import datetime, timezone
from typing import Annotated, Any, ClassVar

import msgspec
import pytest
from cendry._model.fields import Field, field
from cendry._model.model import Map, Model, fields_of


class Mayor(Map):
    name: Field[str]


class City(Model, collection="cities"):
    COUNTRY: ClassVar[str] = "US"
    name: Annotated[Field[str], field(alias="displayName")]
    tags: Field[list[str]] = field(default_factory=list)
    mayor: Field[Mayor | None] = field(default=None)
    seen: Field[datetime | None] = field(auto_now=True)


class Capital(City, collection="capitals"):
    since: Field[int] = field(default=1900)


HINTS: dict[str, Any] = {
    "COUNTRY": ClassVar[str],
    "id": str | None,
    "name": str,
    "tags": list[str],
    "mayor": Mayor | None,
    "seen": datetime | None,
}


def hints_of(cls: type[Any]) -> dict[str, Any]:
    return {name: hint for name, hint in typing.get_type_hints(cls).items() if "cendry" not in name and name[0] != "_"}


def test_type_hints_are_those_of_the_values_with_the_id() -> None:
    assert HINTS == hints_of(City)
    assert {**HINTS, "since": int} == hints_of(Capital)
    assert {"name": str} == hints_of(Mayor)


def test_type_hints_of_names_that_come_later(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("later_hints")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    source = (
        "class Town(Model, collection='towns'):\n    people: Field['list[Person]']\n    head: Field[list['Person']]\n"
    )
    vars(module).update(Model=Model, Map=Map, Field=Field)
    exec(source, vars(module))
    town: Any = vars(module)["Town"]
    with pytest.raises(NameError, match="Person"):
        typing.get_type_hints(town)
    exec("class Person(Map):\n    name: Field[str]\n", vars(module))
    people = types.GenericAlias(list, (vars(module)["Person"],))
    # Python 3.10 leaves names inside of list[...] as they are, until the class itself resolves them.
    head = people if sys.version_info >= (3, 11) else types.GenericAlias(list, ("Person",))
    expected = {"id": str | None, "people": people, "head": people}
    assert {**expected, "head": head} == hints_of(town)
    assert fields_of(town).keys() == {"people", "head"}
    assert expected == hints_of(town) == {**town.__annotations__}


def test_msgspec_reads_and_writes_a_model() -> None:
    seen = datetime(2026, 5, 1, tzinfo=timezone.utc)
    capital = Capital(id="SF", name="San Francisco", tags=["a"], mayor=Mayor(name="M"), seen=seen)
    assert capital == msgspec.json.decode(msgspec.json.encode(capital), type=Capital)
    assert Capital(name="x") == msgspec.convert({"name": "x"}, Capital)
    with pytest.raises(msgspec.ValidationError, match=r"Expected `str \| null`, got `int` - at `\$.id`"):
        msgspec.convert({"id": 5, "name": "x"}, Capital)
