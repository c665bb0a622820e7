"""The indexes of changes: applied one after another, they lead from one snapshot to the next."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from cendry import Cendry, Field, FieldPath, MemoryBackend, Model, Snapshot, field
from cendry._context.steps import Step, sort_key, steps
from cendry.backend import DocumentResult
from cendry.plan import GetPlan, Order, QueryPlan
from hypothesis import given
from hypothesis import strategies as st

START = datetime(2026, 1, 1, tzinfo=timezone.utc)


class Row(Model, collection="rows"):
    n: Field[int]
    text: Field[str] = field(default="")


def documents(data: dict[str, tuple[int, int]], paths: Sequence[str] | None = None) -> dict[str, DocumentResult]:
    """Documents by path, sorted by their number unless the order is given; the second number is the version."""
    found = {
        path: DocumentResult(path, {"n": n}, START, START + timedelta(seconds=version))
        for path, (n, version) in data.items()
    }
    return {path: found[path] for path in (paths or sorted(data, key=lambda path: (data[path][0], path)))}


def replayed(rows: list[str], changes: Sequence[Step]) -> list[str]:
    for _, path, old, new in changes:
        if old is not None:
            assert rows[old] == path
            del rows[old]
        if new is not None:
            rows.insert(new, path)
    return rows


BY_NUMBER = QueryPlan("rows", orders=(Order(FieldPath("n")),))
states = st.dictionaries(st.sampled_from([f"rows/{i}" for i in range(9)]), st.tuples(st.integers(0, 4), st.just(0)))


@given(states, states, st.booleans())
def test_indexes_apply_one_after_another(
    first: dict[str, tuple[int, int]], second: dict[str, tuple[int, int]], backwards: bool
) -> None:
    second = {path: (n, int(path in first and first[path][0] != n)) for path, (n, _) in second.items()}
    before, after = documents(first), documents(second)
    if backwards:
        before, after = (dict(reversed(list(one.items()))) for one in (before, after))
    changes = list(steps(before, after, sort_key(BY_NUMBER, backwards=backwards)))
    assert replayed(list(before), changes) == list(after)
    kinds = [kind for kind, *_ in changes]
    assert kinds == sorted(kinds, key=["removed", "added", "modified"].index)
    assert {path for kind, path, *_ in changes if kind == "modified"} == {
        path for path in first.keys() & second.keys() if first[path] != second[path]
    }


@given(states, states, st.randoms(use_true_random=False))
def test_they_do_in_any_order_that_a_backend_has(
    first: dict[str, tuple[int, int]], second: dict[str, tuple[int, int]], random: Any
) -> None:
    before, after = (documents(one, random.sample(sorted(one), len(one)) or None) for one in (first, second))
    changes = list(steps(before, after, sort_key(GetPlan(("rows/0",)), backwards=False)))
    assert replayed(list(before), changes) == list(after)


def test_a_modified_document_is_placed_by_its_new_values() -> None:
    before = documents({"rows/2": (1, 0), "rows/3": (1, 0), "rows/4": (2, 0), "rows/1": (3, 0)})
    after = documents({"rows/4": (-2, 1), "rows/1": (-1, 1), "rows/6": (3, 1), "rows/5": (4, 1)})
    assert list(steps(before, after, sort_key(BY_NUMBER, backwards=False))) == [
        ("removed", "rows/2", 0, None),
        ("removed", "rows/3", 0, None),
        ("added", "rows/6", None, 2),
        ("added", "rows/5", None, 3),
        ("modified", "rows/4", 0, 0),
        ("modified", "rows/1", 1, 1),
    ]


def test_values_without_an_order_come_last() -> None:
    key = sort_key(QueryPlan("rows", orders=(Order(FieldPath("n")), Order(FieldPath("__name__")))), backwards=False)
    known = key(DocumentResult("rows/a", {"n": 1}, START, START))
    assert known < key(DocumentResult("rows/a", {}, START, START))
    assert known < key(DocumentResult("rows/a", {"n": object()}, START, START))


@pytest.mark.parametrize("last", [False, True])
def test_a_listener_that_replays_changes_has_the_documents(last: bool) -> None:
    with closing(MemoryBackend()) as backend, Cendry(backend=backend) as ctx:
        rows: list[Row] = []
        seen: list[Snapshot[Row]] = []
        query = ctx.select(Row, Row.n < 10, order_by=Row.n)
        query = query.limit_to_last(4) if last else query.limit(4)
        with query.on_snapshot(seen.append):
            backend.drain()
            for number, values in enumerate([[1, 2, 3, 4, 5], [5, 2, 30, 1, 4], [1, 20, 3, 0, 4], [7, 6, 5, 4, 3]]):
                with ctx.batch() as batch:
                    for name, n in zip("abcde", values, strict=True):
                        batch.save(Row(id=name, n=n, text=str(number)))
                backend.drain()
        assert len(seen) == 5
        for snapshot in seen:
            for change in snapshot.changes:
                if change.old_index is not None:
                    assert rows.pop(change.old_index).id == change.document.id
                if change.new_index is not None:
                    rows.insert(change.new_index, change.document)
            assert rows == list(snapshot.documents)
