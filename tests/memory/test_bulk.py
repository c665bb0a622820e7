"""Bulk writes of the memory backend: scheduled failures, files, the past, and all documents below one."""

from __future__ import annotations

from pathlib import Path

import pytest
from cendry import BulkError, Cendry, Field, Increment, InvalidRequestError, Model, OutcomeUnknownError, field
from cendry.errors import TransactionContentionError
from cendry.plan import Create, QueryPlan, Set
from cendry_memory import ManualClock, MemoryBackend, ServiceUnavailableError
from memory.asking import stored


class City(Model, collection="cities"):
    n: Field[int] = field(default=0)


def test_each_write_is_a_commit_to_scheduled_failures(backend: MemoryBackend) -> None:
    faults = backend.faults
    faults.abort_next_commit()
    faults.unavailable_next(1, "commit")
    faults.ambiguous_next_commit()
    faults.ambiguous_next_commit(applied=False)
    results = backend.write_many([Set(f"c/{number}", {"x": 1}) for number in range(5)])
    kinds = [None if one.error is None else type(one.error) for one in results]
    unavailable = ServiceUnavailableError
    assert [unavailable, TransactionContentionError, unavailable, unavailable, None] == kinds
    assert [True, True, True, True, False] == [one.is_transient for one in results]
    assert [False, False, True, True, False] == [one.is_lost for one in results]
    assert [None, None, {"x": 1}, None, {"x": 1}] == [stored(backend, f"c/{number}") for number in range(5)]
    assert 0 == faults.pending


def test_bulk_writes_get_over_scheduled_failures(backend: MemoryBackend) -> None:
    backend.faults.abort_next_commit(2)
    backend.faults.ambiguous_next_commit(2)
    backend.faults.ambiguous_next_commit(applied=False)
    with Cendry(backend=backend) as ctx:
        ctx.save_many([City(id=str(number)) for number in range(10)], atomic=False)
        assert 10 == ctx.select(City).count()
        backend.faults.ambiguous_next_commit()
        with pytest.raises(BulkError) as caught:
            ctx.select(City, City.id.is_in(["3"])).update({City.n: Increment(1)})
        assert isinstance(caught.value.failed[0].error, OutcomeUnknownError)
        assert 1 == ctx.get(City, "3").n


def test_a_value_that_can_not_be_stored_fails_alone(backend: MemoryBackend) -> None:
    wrong, fine = backend.write_many([Set("c/a", {"x": object()}), Set("c/b", {})])
    assert isinstance(wrong.error, TypeError)
    assert wrong.error.__traceback__ is None
    assert fine.error is None


def test_bulk_writes_are_kept_in_a_file(tmp_path: Path) -> None:
    with MemoryBackend(tmp_path / "store.db") as backend:
        backend.commit([Set("c/there", {})])
        results = backend.write_many([Set("c/a", {"x": 1}), Create("c/there", {"x": 1}), Set("c/b", {"x": 2})])
        assert [True, False, True] == [one.error is None for one in results]
    with MemoryBackend(tmp_path / "store.db") as backend:
        assert [{"x": 1}, {}, {"x": 2}] == [stored(backend, path) for path in ("c/a", "c/there", "c/b")]


def names(backend: MemoryBackend, parent: str | None, **options: object) -> list[str]:
    plan = QueryPlan("", parent, group=True, projection=(), **options)  # type: ignore[arg-type]
    return [result.path for result in backend.run(plan)]


@pytest.mark.usefixtures("looking")
def test_all_documents_below_one_by_name(backend: MemoryBackend) -> None:
    paths = [*(f"c/a/d/{number:03}" for number in range(90)), "c/a/d/000/e/x", "c/b/d/1", "z/1"]
    backend.commit([Set(path, {}) for path in paths])
    inside = sorted(path for path in paths if path.startswith("c/a/"))
    assert [inside[0], "c/a/d/000/e/x", inside[2]] == names(backend, "c/a")[:3]
    assert 91 == len(names(backend, "c/a"))
    assert sorted(paths) == sorted(names(backend, None))
    assert ["c/b/d/1"] == names(backend, "c/b")
    with pytest.raises(InvalidRequestError):
        names(backend, "c")


def test_all_documents_below_one_as_they_were(clock: ManualClock) -> None:
    backend = MemoryBackend(clock=clock)
    backend.commit([Set("c/a/d/1", {}), Set("x/y", {})])
    [result] = backend.run(QueryPlan("d", "c/a"))
    clock.advance(10)
    backend.write_many([Set("c/a/d/2", {}), Set("d/3", {})])
    assert ["c/a/d/1", "c/a/d/2"] == names(backend, "c/a")
    assert ["c/a/d/1"] == names(backend, "c/a", read_time=result.read_time)


def test_a_transaction_sees_what_bulk_writes_change_below(backend: MemoryBackend) -> None:
    for path, is_disturbed in (("c/a/d/1", True), ("c/b/d/1", False)):
        txn = backend.begin()
        list(backend.run(QueryPlan("", "c/a", group=True), transaction=txn))
        backend.write_many([Set(path, {"x": 1})])
        if is_disturbed:
            with pytest.raises(TransactionContentionError):
                backend.commit([Set("other/1", {})], transaction=txn)
        else:
            backend.commit([Set("other/1", {})], transaction=txn)
