"""Core's own way to make frozen dataclasses gives what the standard library's gives."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError, field
from typing import Any

import pytest
from cendry._immutable import dataclass as quick_dataclass
from cendry._immutable import replace


@quick_dataclass(frozen=True, slots=True)
class Quick:
    """As below."""

    path: str
    data: dict[str, int] = field(default_factory=dict)
    limit: int | None = None
    load: Callable[[], object] = field(compare=False, repr=False, default=tuple)

    def __post_init__(self) -> None:
        if not self.path:
            raise ValueError("no path")


@dataclasses.dataclass(frozen=True, slots=True)
class Standard:
    """As above."""

    path: str
    data: dict[str, int] = field(default_factory=dict)
    limit: int | None = None
    load: Callable[[], object] = field(compare=False, repr=False, default=tuple)

    def __post_init__(self) -> None:
        if not self.path:
            raise ValueError("no path")


@quick_dataclass(frozen=True, slots=True)
class One:
    """A single field, so that nothing is a tuple by chance."""

    value: object


@quick_dataclass(frozen=True, slots=True)
class Nothing:
    """No field at all."""


@quick_dataclass(frozen=True, slots=True)
class Own:
    """Has methods of its own."""

    value: object

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Own)

    def __hash__(self) -> int:
        return 7

    def __repr__(self) -> str:
        return "mine"


both = pytest.mark.parametrize("cls", [Quick, Standard])


@both
def test_arguments_go_to_their_fields(cls: type[Any]) -> None:
    made = cls("cities", limit=3)
    assert ("cities", {}, 3, tuple) == (made.path, made.data, made.limit, made.load)
    assert made.data is not cls("cities").data
    assert {"a": 1} == cls("cities", {"a": 1}).data
    with pytest.raises(TypeError, match="path"):
        cls()
    with pytest.raises(ValueError, match="no path"):
        cls("")


@both
def test_nothing_can_be_set_or_deleted(cls: type[Any]) -> None:
    made = cls("cities")
    with pytest.raises(FrozenInstanceError, match="cannot assign to field 'path'"):
        made.path = "other"
    with pytest.raises(FrozenInstanceError, match="cannot delete field 'path'"):
        del made.path
    assert not hasattr(made, "__dict__")


@both
def test_equality_and_repr_mind_what_the_fields_say(cls: type[Any]) -> None:
    assert cls("cities", limit=3) == cls("cities", limit=3, load=list)
    assert cls("cities") != cls("towns")
    assert cls("cities") != ("cities", {}, None)
    assert f"{cls.__name__}(path='cities', data={{}}, limit=3)" == repr(cls("cities", limit=3))
    with pytest.raises(TypeError, match="unhashable"):
        hash(cls("cities"))


def test_two_classes_are_never_equal() -> None:
    assert One(1) != Own(1)
    assert Quick("cities") != Standard("cities")  # type: ignore[comparison-overlap]


def test_hash_follows_equality() -> None:
    assert {One(1)} == {One(1), One(1)}
    assert {Nothing()} == {Nothing(), Nothing()}


def test_methods_of_the_class_itself_stay() -> None:
    assert Own(1) == Own(2)
    assert 7 == hash(Own(1))
    assert "mine" == repr(Own(1))


@both
def test_dataclasses_knows_them(cls: type[Any]) -> None:
    made = cls("cities", {"a": 1})
    assert ["path", "data", "limit", "load"] == [each.name for each in dataclasses.fields(made)]
    assert cls("towns", {"a": 1}) == dataclasses.replace(made, path="towns")
    assert {"path": "cities", "data": {"a": 1}, "limit": None, "load": tuple} == dataclasses.asdict(made)
    match made:
        case cls(path, data):
            assert ("cities", {"a": 1}) == (path, data)
    with pytest.raises(TypeError, match="frozen"):
        dataclasses.dataclass(type("Thawed", (cls,), {"__annotations__": {}}))


@both
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda made: pickle.loads(pickle.dumps(made))])
def test_copies_and_pickles_are_equal(cls: type[Any], copied: Callable[[Any], Any]) -> None:
    made = cls("cities", {"a": 1}, 3, list)
    assert made == copied(made)
    assert list is copied(made).load


def test_replace_changes_the_fields_that_are_named() -> None:
    made = Quick("cities", {"a": 1}, 3, list)
    for changes in ({}, {"limit": None}, {"path": "towns", "load": tuple}):
        other = replace(made, **changes)
        assert dataclasses.replace(made, **changes) == other
        assert changes.get("load", list) is other.load
    assert made.data is replace(made).data
    assert Quick("cities", {"a": 1}) == Quick.__replace__(made, limit=None)  # type: ignore[attr-defined]
    assert Nothing() == replace(Nothing())
    with pytest.raises(ValueError, match="no path"):
        replace(made, path="")
    with pytest.raises(TypeError, match="unexpected keyword argument 'nothing'"):
        replace(made, nothing=1)


def test_pickles_hold_what_is_not_left_at_its_default_by_name() -> None:
    reduced: Any = Quick("cities", limit=3).__reduce__()
    revive, (cls, held) = reduced
    assert (Quick, {"path": "cities", "data": {}, "limit": 3}) == (cls, held)
    assert Quick("cities", limit=3) == revive(cls, held)
    message = r"^This Quick was pickled by another version of cendry: here it has no field 'size', 'unit'\.$"
    with pytest.raises(TypeError, match=message):
        revive(cls, {**held, "size": 1, "unit": "m"})


def test_signatures_are_the_same() -> None:
    quick, standard = inspect.signature(Quick), inspect.signature(Standard)
    assert list(standard.parameters) == list(quick.parameters)
    assert [each.annotation for each in standard.parameters.values()] == [
        each.annotation for each in quick.parameters.values()
    ]
    assert "Quick.__init__" == Quick.__init__.__qualname__
