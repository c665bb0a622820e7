# What raises here is the end of a block, so that pytest.raises() has to hold one.
# ruff: noqa: PT012

from __future__ import annotations

from typing import Any

import pytest
from cendry import (
    CendryError,
    DocumentAlreadyExistsError,
    DocumentNotFoundError,
    InvalidValueError,
    Ref,
    StaleDocumentError,
    get_metadata,
)
from cendry.plan import Create, Delete, Set, Update
from core.documents import NOW, Area, City, Mayor, Stamped


def test_a_batch_commits_at_the_end(ctx: Any, backend: Any) -> None:
    for name in "abc":
        backend.put(f"cities/{name}", {"displayName": name})
    a = ctx.get(City, "a")
    backend.calls.clear()
    new, created, area = City(name="new"), City(id="x", name="x"), Area(name="y")
    with ctx.batch() as batch:
        assert batch.save(new) == new.id
        assert batch.create(created) == "x"
        batch.update(a, {City.population: 5, City.mayor: Mayor(name="m")})
        batch.update(City, "b", {"population": 6})
        batch.update(a, fields=[City.name])
        batch.delete(City, "c", must_exist=True)
        batch.save(area, parent=a, merge=True)
        assert len(batch) == 7
        assert (backend.calls, a.population) == ([], 0)
    (writes,) = backend.plans("commit")
    assert [type(write) for write in writes] == [Set, Create, Update, Update, Update, Delete, Set]
    assert (a.population, a.mayor) == (5, Mayor(name="m"))
    assert [get_metadata(one).path for one in (new, created, a, area)] == [
        f"cities/{new.id}",
        "cities/x",
        "cities/a",
        f"cities/a/areas/{area.id}",
    ]
    assert get_metadata(a).update_time == backend.documents["cities/a"].update_time
    assert ctx.get(City, "a") == a


def test_an_instance_is_taken_as_it_is_when_it_is_queued(ctx: Any, backend: Any) -> None:
    city = City(id="SF", name="x", regions=["a"])
    with ctx.batch() as batch:
        batch.save(city)
        city.name = "later"
        city.regions.append("b")
    assert (backend.data("cities/SF")["displayName"], backend.data("cities/SF")["regions"]) == ("x", ["a"])


def test_times_and_metadata_change_at_the_commit(ctx: Any) -> None:
    stamped = Stamped(id="x")
    with ctx.batch() as batch:
        batch.save(stamped)
        assert stamped.updated is None
        with pytest.raises(CendryError):
            get_metadata(stamped)
    assert stamped.updated == NOW


def test_an_exception_discards_everything(ctx: Any, backend: Any) -> None:
    new, given = City(name="x"), City(id="SF", name="y")
    with pytest.raises(RuntimeError, match="mine"), ctx.batch() as batch:
        batch.save(new)
        batch.create(given)
        raise RuntimeError("mine")
    assert (backend.calls, new.id, given.id) == ([], None, "SF")


def test_discard(ctx: Any, backend: Any) -> None:
    new = City(name="x")
    with ctx.batch() as batch:
        batch.save(new)
        batch.discard()
    assert (backend.calls, new.id, len(batch)) == ([], None, 0)


def test_an_id_that_was_changed_meanwhile_is_not_taken_back(ctx: Any) -> None:
    new = City(name="x")
    batch = ctx.batch()
    batch.save(new)
    new.id = "mine"
    batch.discard()
    assert new.id == "mine"


def test_an_empty_batch_sends_nothing(ctx: Any, backend: Any) -> None:
    with ctx.batch():
        pass
    ctx.batch().commit()
    assert backend.calls == []


def test_a_batch_without_with(ctx: Any, backend: Any) -> None:
    batch = ctx.batch()
    batch.save(City(id="SF", name="x"))
    batch.commit()
    assert list(backend.documents) == ["cities/SF"]
    with ctx.batch() as inside:
        inside.delete(Ref(City, "SF"))
        inside.commit()
    assert backend.documents == {}


def test_a_batch_ends_once(ctx: Any) -> None:
    message = r"^This batch has ended; make a new one with ctx\.batch\(\)\.$"
    for end in ("commit", "discard"):
        batch = ctx.batch()
        getattr(batch, end)()
        for use in (
            batch.commit,
            batch.__enter__,
            lambda batch=batch: batch.save(City(name="x")),
            lambda batch=batch: batch.create(City(name="x")),
            lambda batch=batch: batch.update(City, "x", {"name": "y"}),
            lambda batch=batch: batch.delete(City, "x"),
        ):
            with pytest.raises(CendryError, match=message):
                use()


def test_the_501st_write_is_refused(ctx: Any, backend: Any) -> None:
    batch = ctx.batch()
    for index in range(500):
        batch.delete(City, str(index))
    extra = City(name="x")
    for use in (
        lambda: batch.save(extra),
        lambda: batch.create(extra),
        lambda: batch.update(City, "x", {"name": "y"}),
        lambda: batch.delete(City, "x"),
    ):
        with pytest.raises(CendryError, match="at most 500 writes, and this is write number 501; nothing was written"):
            use()
    assert (extra.id, len(batch), backend.calls) == (None, 500, [])
    batch.commit()
    assert len(backend.plans("commit")[0]) == 500


def test_a_refused_batch_leaves_instances_as_they_were(ctx: Any, backend: Any) -> None:
    backend.put("cities/SF", {"displayName": "x"})
    backend.put("cities/LA", {"displayName": "x"})
    new, stamped, old = City(name="x"), Stamped(id="s"), ctx.get(City, "SF")
    before = get_metadata(old)
    with pytest.raises(DocumentAlreadyExistsError, match="cities/LA"), ctx.batch() as batch:
        batch.save(new)
        batch.save(stamped)
        batch.update(old, {"population": 5})
        batch.create(City(id="LA", name="y"))
    assert (new.id, stamped.updated, old.population, get_metadata(old)) == (None, None, 0, before)
    assert list(backend.documents) == ["cities/SF", "cities/LA"]


def test_an_unknown_outcome_keeps_automatic_ids(ctx: Any, backend: Any) -> None:
    new = City(name="x")
    backend.fail("commit", ConnectionError())
    with pytest.raises(ConnectionError), ctx.batch() as batch:
        batch.save(new)
    assert new.id is not None


def test_what_can_not_be_queued_is_refused_at_its_line(ctx: Any, backend: Any) -> None:
    wrong = City(name=5)  # type: ignore[arg-type]
    batch = ctx.batch()
    with pytest.raises(InvalidValueError):
        batch.save(wrong)
    assert (wrong.id, len(batch)) == (None, 0)


def test_preconditions(ctx: Any, backend: Any) -> None:
    city = City(id="SF", name="x")
    ctx.save(city)
    backend.put("cities/SF", {"displayName": "theirs"})
    for queue in (
        lambda batch: batch.save(city, if_unchanged=True),
        lambda batch: batch.update(city, {"name": "y"}, if_unchanged=True),
        lambda batch: batch.delete(city, if_unchanged=True),
    ):
        with pytest.raises(StaleDocumentError), ctx.batch() as batch:
            queue(batch)
    with pytest.raises(DocumentNotFoundError), ctx.batch() as batch:
        batch.update(City, "absent", {"name": "y"})
    assert backend.data("cities/SF") == {"displayName": "theirs"}


def test_one_instance_queued_twice(ctx: Any, backend: Any) -> None:
    city = City(name="x")
    with ctx.batch() as batch:
        batch.save(city)
        batch.update(city, {"population": 7})
    assert city.population == 7
    assert backend.data(f"cities/{city.id}")["population"] == 7
    assert get_metadata(city).update_time == backend.documents[f"cities/{city.id}"].update_time
