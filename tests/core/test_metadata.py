from __future__ import annotations

import copy
import dataclasses
import pickle
from typing import Any

import pytest
from cendry import CendryError, DocumentMetadata, UnsupportedByBackendError, get_metadata, to_dict
from core.documents import Area, Base, City, Frozen, Mayor, Stamped


@pytest.fixture
def city(ctx: Any) -> City:
    city = City(id="SF", name="x")
    ctx.save(city)
    return city


def test_what_was_never_read_or_written_has_none() -> None:
    with pytest.raises(CendryError) as caught:
        get_metadata(City(id="SF", name="x"))
    assert str(caught.value) == (
        "This City (id 'SF') has no metadata: it was neither read nor written through a context, "
        "or its id was changed since. get() or save() it first."
    )


def test_reading_and_writing_give_it(ctx: Any, backend: Any, city: City) -> None:
    stored = backend.documents["cities/SF"]
    assert get_metadata(city) == DocumentMetadata("cities/SF", None, stored.update_time, stored.update_time)
    found = get_metadata(ctx.get(City, "SF"))
    assert found == DocumentMetadata("cities/SF", stored.create_time, stored.update_time, stored.update_time)
    assert (found.path, found.create_time, found.update_time) == ("cities/SF", stored.create_time, stored.update_time)


def test_it_travels_with_copies_and_pickles(city: City) -> None:
    known = get_metadata(city)
    for other in (copy.copy(city), copy.deepcopy(city), pickle.loads(pickle.dumps(city))):
        assert other == city
        assert get_metadata(other) == known
    frozen = Frozen(name="x")
    object.__setattr__(frozen, "_cendry_metadata", known._replace(path="frozen/None"))
    assert pickle.loads(pickle.dumps(frozen)) == frozen


def test_it_is_no_field(city: City) -> None:
    assert "metadata" not in repr(city)
    assert "_cendry_metadata" not in dataclasses.asdict(city)
    assert city == City(id="SF", name="x")
    assert "_cendry_metadata" not in to_dict(city)
    assert "_cendry_metadata" not in {one.name for one in dataclasses.fields(city)}


def test_replace_makes_a_new_document_without_path_or_times(ctx: Any, city: City) -> None:
    area = Area(id="a", name="x")
    ctx.save(area, parent=city)
    other = dataclasses.replace(area, id="b")
    with pytest.raises(CendryError, match="has no metadata"):
        get_metadata(other)
    with pytest.raises(CendryError, match="Area is a subcollection of City: pass the document it belongs to"):
        ctx.save(other)


def test_a_changed_id_drops_it(city: City) -> None:
    city.id = "LA"
    with pytest.raises(CendryError, match="or its id was changed since"):
        get_metadata(city)
    city.id = "SF"
    assert get_metadata(city).path == "cities/SF"


def test_a_database_without_times_has_paths_only(ctx: Any, backend: Any, city: City) -> None:
    backend.with_times = False
    area = Area(name="x")
    ctx.save(area, parent=city)
    with pytest.raises(UnsupportedByBackendError, match="Firestore in Native mode does"):
        get_metadata(area)
    found = ctx.get(Area, area.id, parent=city)
    with pytest.raises(UnsupportedByBackendError, match="create, update and read times"):
        get_metadata(found)
    found.name = "y"
    ctx.save(found)
    ctx.refresh(area)
    assert area.name == "y"
    with pytest.raises(UnsupportedByBackendError, match="if_unchanged="):
        ctx.save(found, if_unchanged=True)


def test_two_results_with_one_id_are_told_apart(ctx: Any, city: City) -> None:
    other = City(id="LA", name="l")
    for parent in (city, other):
        ctx.save(Area(id="a", name=parent.name), parent=parent)
    paths = sorted(get_metadata(area).path for area in ctx.select_group(Area))
    assert paths == ["cities/LA/areas/a", "cities/SF/areas/a"]


def test_only_instances_have_it() -> None:
    for value in (5, Stamped, Mayor(name="x")):
        with pytest.raises(TypeError, match="Expected an instance of a Model, not"):
            get_metadata(value)  # type: ignore[arg-type]


def test_instances_of_abstract_models_have_none() -> None:
    with pytest.raises(CendryError, match="has no metadata"):
        get_metadata(Base(name="x"))
    assert Stamped().id is None
