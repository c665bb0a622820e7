"""References: typed names of documents."""

from __future__ import annotations

import copy
import pickle
import re
from typing import Any

import pytest
from cendry import CendryError, InvalidDocumentIdError, Map, Ref
from cendry.reference import check_parent, document_path, located_path, parent_path
from core.documents import Area, City, Kept, Spot

SF = City(id="SF", name="San Francisco")
ELSEWHERE = Ref.from_path("cities/SF", database="projects/p/databases/d")


class Tag(Map):
    pass


def test_a_reference_knows_its_document() -> None:
    ref = Ref(Area, "m", parent=SF)
    assert ("cities/SF/areas/m", "areas", "m", Area) == (ref.path, ref.collection, ref.id, ref.model)
    assert Ref(City, "SF") == ref.parent
    assert Ref(City, "SF").parent is None
    assert Ref(Area, "m", parent=Ref(City, "SF")) == ref


@pytest.mark.parametrize(
    ("ref", "text"),
    [
        (Ref(City, "SF"), "Ref(City, 'SF')"),
        (Ref(Area, "m", parent=SF), "Ref(Area, 'm', parent=Ref.from_path('cities/SF'))"),
        (Ref.from_path("cities/SF"), "Ref.from_path('cities/SF')"),
        (Ref.from_path("towns/SF", model=City), "Ref.from_path('towns/SF', model=City)"),
        (ELSEWHERE, "Ref.from_path('cities/SF', database='projects/p/databases/d')"),
    ],
)
def test_references_are_values(ref: Ref, text: str) -> None:
    assert text == repr(ref)
    for again in (eval(text), pickle.loads(pickle.dumps(ref)), copy.deepcopy(ref)):
        assert (ref, hash(ref), ref.model) == (again, hash(again), again.model)


def test_the_model_plays_no_part_in_equality_and_the_database_does() -> None:
    assert Ref(City, "SF") == Ref.from_path("cities/SF")
    assert Ref.from_path("cities/SF") != ELSEWHERE
    assert Ref(City, "SF") != "cities/SF"
    assert City is Ref.from_path("cities/SF").as_model(City).model


def test_references_are_immutable() -> None:
    with pytest.raises(AttributeError, match="Ref is immutable; can't set 'path'"):
        Ref(City, "SF").path = "x/y"


def test_hostile_ids_reach_no_other_collection() -> None:
    for wrong in ("a/b/c", "..", ""):
        with pytest.raises(InvalidDocumentIdError):
            Ref(City, wrong)
    with pytest.raises(InvalidDocumentIdError):
        Ref.from_path("cities/../towns/x")


def test_a_reference_into_another_database_is_no_place_to_write() -> None:
    assert ELSEWHERE.database == "projects/p/databases/d"
    with pytest.raises(CendryError, match="points into another database"):
        located_path(ELSEWHERE)


def test_parents_are_instances_or_references() -> None:
    assert ["cities/SF", "cities/SF", None] == [parent_path(each) for each in (SF, Ref(City, "SF"), None)]
    for wrong in ("cities/SF", City, 3):
        with pytest.raises(TypeError, match="parent= takes a model instance or a Ref, not "):
            parent_path(wrong)


def test_a_declared_parent_is_held_to() -> None:
    assert "cities/SF" == check_parent(Area, "cities/SF")
    assert None is check_parent(City, None)
    with pytest.raises(CendryError, match="Area is a subcollection of City: pass the document"):
        check_parent(Area, None)
    with pytest.raises(CendryError, match="'towns/x' is not a document of that collection"):
        check_parent(Area, "towns/x")


def test_the_parents_of_a_declared_parent_are_held_to_as_well() -> None:
    assert "cities/SF/areas/a" == check_parent(Spot, "cities/SF/areas/a")
    message = r"Spot is a subcollection of Area ('cities/*/areas'); 'areas/a' is not a document of that collection."
    for path in ("areas/a", "towns/SF/areas/a", "cities/SF/x/y/areas/a"):
        with pytest.raises(CendryError, match=re.escape(message.replace("areas/a'", f"{path}'"))):
            check_parent(Spot, path)
        with pytest.raises(CendryError, match="Spot is a subcollection of Area"):
            Ref(Spot, "s", parent=Ref.from_path(path))


def test_a_parent_is_known_by_its_path_whatever_its_class_is() -> None:
    assert Ref(Area, "a", parent=SF) == Ref(Area, "a", parent=Kept(id="SF", name="x"))
    with pytest.raises(CendryError, match="'areas/SF' is not a document of that collection"):
        Ref(Area, "a", parent=Ref.from_path("areas/SF"))


class Unshown:
    def __repr__(self) -> str:
        raise RuntimeError("x")


@pytest.mark.parametrize(
    ("wrong", "shown"), [("x" * 9_000, "'" + "x" * 76 + "..."), (Unshown(), "<repr raised RuntimeError>")], ids=type
)
def test_values_that_are_no_parents_are_shown_in_short(wrong: Any, shown: str) -> None:
    with pytest.raises(TypeError) as caught:
        parent_path(wrong)
    assert f"parent= takes a model instance or a Ref, not {shown}." == str(caught.value)


def test_what_has_no_collection_has_no_documents() -> None:
    with pytest.raises(TypeError, match="has no collection: it is not a Model, or it is abstract"):
        document_path(Tag, "x")


def test_models_are_classes() -> None:
    ref = Ref(City, "SF")
    wrong: Any
    for wrong in (SF, "cities", int):
        for make in (lambda wrong: Ref(wrong, "SF"), ref.as_model, lambda wrong: Ref.from_path("a/b", model=wrong)):
            with pytest.raises(TypeError, match=r"takes a Model class|has no collection"):
                make(wrong)
