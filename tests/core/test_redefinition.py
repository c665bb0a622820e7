"""Classes that are defined again under their names, as in a notebook whose cells run twice."""

from __future__ import annotations

import pickle
import sys
from types import ModuleType
from typing import Any

import pytest
from cendry import Map, Query, TypeRegistry, field, resolve
from cendry._model.model import fields_of
from cendry.codec import codec_for
from cendry.convert import to_dict
from cendry.errors import ValidationError
from making import make_class

CELL = """
from cendry import Field, Map, Model, field

class Mayor(Map):
    name: Field[str]

class City(Model, collection="cities"):
    mayor: Field["Mayor"]
    twin: Field["Later | None"] = field(default=None)

class Later(Map):
    x: Field[int]
"""


@pytest.fixture
def cells(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A module in which the cell ran once; calling the fixture runs it again."""
    notebook = ModuleType("notebook")
    monkeypatch.setitem(sys.modules, "notebook", notebook)

    def run() -> ModuleType:
        exec(CELL, vars(notebook))
        return notebook

    run()
    return run


def test_each_class_keeps_its_own_types_and_pickles_are_of_the_last(cells: Any) -> None:
    first = vars(cells())["City"], vars(cells())["Mayor"]
    again = cells()
    city, mayor = again.City, again.Mayor
    resolve()
    assert mayor is fields_of(city)["mayor"].annotation
    whole = city(id="a", mayor=mayor(name="x"))
    assert whole == pickle.loads(pickle.dumps(whole))
    query = Query(city, city.mayor[mayor.name] == "x")
    assert query == pickle.loads(pickle.dumps(query))
    assert {"mayor": {"name": "x"}, "twin": None} == to_dict(whole)
    with pytest.raises(pickle.PicklingError, match="not the same object"):
        pickle.dumps(first[0](id="a", mayor=mayor(name="x")))


def test_what_is_left_of_the_first_is_told_apart(cells: Any) -> None:
    old = dict(vars(cells()))
    new = cells()
    again = "two classes called City: it was defined again, so run again what uses it"
    with pytest.raises(TypeError, match=rf"City.mayor is a field of City, not of City. These are {again}."):
        Query(new.City, order_by=old["City"].mayor)
    with pytest.raises(TypeError, match=r"but City.mayor holds Mayor; these are two classes called Mayor"):
        new.City.mayor[old["Mayor"].name]
    with pytest.raises(ValidationError, match="these are two classes called Mayor"):
        codec_for(new.City).encode(new.City(mayor=old["Mayor"](name="x")))


def test_a_registered_type_that_was_defined_again_is_told_apart(cells: Any) -> None:
    class Money:
        pass

    class Again:
        pass

    Again.__module__, Again.__qualname__ = Money.__module__, Money.__qualname__
    registry = TypeRegistry()
    registry.register(Money)
    with pytest.raises(TypeError, match="another class of that name is registered; register it again"):
        make_class("Bill", Map, {"total": (Again, field())}, type_registry=registry)
