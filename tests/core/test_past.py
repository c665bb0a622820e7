"""Contexts at a past moment: what they ask of a backend, and what is left of an instance that they don't write."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from cendry import CendryError
from core.documents import NOW, Area, City, Stamped

MOMENT = datetime(2000, 1, 1, tzinfo=timezone.utc)


@pytest.fixture
def past(ctx: Any, backend: Any) -> Any:
    # A backend that can't tell in advance which moments it can read at.
    backend.check_read_time = None
    return ctx.at(MOMENT)


def test_a_context_at_a_moment_asks_nothing_of_the_backend(past: Any, backend: Any) -> None:
    assert [] == backend.calls
    assert past.client is None


def test_the_moment_is_in_every_plan(ctx: Any, past: Any, backend: Any) -> None:
    for read in (
        lambda: past.find(City, "a"),
        lambda: past.exists(City, "a"),
        lambda: past.get_many(City, ["a", "b"]),
        lambda: past.find_many(City, ["a", "b"]),
        lambda: past.select(City).to_list(),
        lambda: past.select(City).count(),
        lambda: list(past.select(City)),
        lambda: past.select(City).values(City.name).to_list(),
    ):
        backend.calls.clear()
        with pytest.raises(CendryError, match="too old"):
            read()
        [(_, plan)] = backend.calls
        assert MOMENT == getattr(plan, "query", plan).read_time
    with pytest.raises(CendryError, match="too old"):
        ctx.select(City).at(MOMENT).to_list()


def test_a_backend_that_cant_divide_queries_leaves_them_whole(ctx: Any, backend: Any) -> None:
    backend.put("cities/a", {"displayName": "A"})
    backend.put("cities/b", {"displayName": "B"})
    assert [["cities/a"], ["cities/b"]] == [part.ids() for part in ctx.select_group(City).partitions(2)]
    backend.partition = None
    assert [["cities/a", "cities/b"]] == [part.ids() for part in ctx.select_group(City).partitions(2)]


def test_the_value_of_a_query_has_the_moment(ctx: Any, past: Any) -> None:
    assert repr(ctx.select(City).at(MOMENT)) == repr(past.select(City))
    assert repr(past.select(City).values(City.name)) == repr(past.select(ctx.select(City).values(City.name)))
    assert "read_time=" not in repr(ctx.select(City))
    assert "read_time=" in repr(past.select_group(Area))


def test_what_is_not_written_is_as_it_was(past: Any, backend: Any) -> None:
    stamped = Stamped(name="mine")
    for write in (lambda: past.save(stamped), lambda: past.create(stamped), lambda: past.save_many([stamped])):
        with pytest.raises(CendryError, match="has no writes"):
            write()
    for merge in (lambda: past.merge(Stamped, "a", {"nme": 5}), lambda: past.merge(stamped, {})):
        with pytest.raises(CendryError, match="has no writes"):
            merge()
    assert (None, None, None) == (stamped.id, stamped.created, stamped.updated)
    assert [] == backend.calls


def test_the_past_has_no_snapshots(ctx: Any, past: Any, backend: Any) -> None:
    for listen in (
        lambda: past.snapshots(City, "a"),
        lambda: past.watch(City, "a"),
        lambda: past.select(City).snapshots(),
        lambda: past.select(City).watch(),
        lambda: ctx.select(City).at(MOMENT).snapshots(),
        lambda: ctx.select(City).at(MOMENT).watch(),
    ):
        with pytest.raises(CendryError, match="has no listeners"):
            next(listen())
    assert [] == backend.calls


def test_a_context_of_a_context_is_closed_with_either(ctx: Any, past: Any) -> None:
    later = past.at(NOW + timedelta(days=1))
    past.close()
    with pytest.raises(CendryError, match="closed"):
        later.find(City, "a")
    assert ctx.find(City, "a") is None
    past = ctx.at(MOMENT)
    ctx.close()
    ctx.close()
    for read in (lambda: past.find(City, "a"), lambda: past.find_many(City, [])):
        with pytest.raises(CendryError, match="closed"):
            read()
    past.close()
