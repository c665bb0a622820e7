"""The state of a listener: what changes, and indexes that lead from one snapshot to the next."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from cendry import Cendry, Change, DecodeError, Field, FieldPath, MemoryBackend, Model, Snapshot, field
from cendry._context.live import Folding, LiveDocuments, sort_key
from cendry.backend import DocumentResult, ListenResult
from cendry.plan import GetPlan, Order, QueryPlan
from hypothesis import given
from hypothesis import strategies as st

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
BY_NUMBER = QueryPlan("rows", orders=(Order(FieldPath("n")),))
NAMES = "abcdefghi"


class Row(Model, collection="rows"):
    n: Field[int]
    text: Field[str] = field(default="")


class UnfitError(Exception):
    """A number below zero."""


def stored(name: str, n: Any, version: int = 0) -> DocumentResult:
    return DocumentResult(f"rows/{name}", {"n": n}, START, START + timedelta(seconds=version))


def read(result: Any) -> DocumentResult:
    if result.data["n"] == -1:
        raise UnfitError(result.path)
    found: DocumentResult = result
    return found


def live(*, backwards: bool = False) -> LiveDocuments[DocumentResult]:
    return LiveDocuments(BY_NUMBER, read, backwards=backwards)


def changed(documents: Iterable[DocumentResult] = (), removed: str = "", *, is_reset: bool = False) -> ListenResult:
    return ListenResult(tuple(documents), tuple(f"rows/{name}" for name in removed), START, is_reset)


def told(changes: Sequence[Change[DocumentResult]]) -> list[tuple[str, str, int | None, int | None]]:
    return [(one.type, one.document.path[5:], one.old_index, one.new_index) for one in changes]


def replayed(rows: list[DocumentResult], changes: Sequence[Change[DocumentResult]]) -> list[DocumentResult]:
    for change in changes:
        if change.old_index is not None:
            assert rows.pop(change.old_index).path == change.document.path
        if change.new_index is not None:
            rows.insert(change.new_index, change.document)
    return rows


@pytest.mark.parametrize("is_reset", [False, True])
def test_an_earlier_state_of_a_document_is_passed_over(is_reset: bool) -> None:
    documents = live()
    documents.take(changed([stored("a", 1, 2), stored("b", -1, 2)]))
    late = changed([stored("a", 5, 1), stored("b", 6, 1), stored("c", 7, 1)], is_reset=is_reset)
    snapshot, errors = documents.take(late)
    assert snapshot is not None
    assert ([], [("added", "c", None, 1)]) == (errors, told(snapshot.changes))
    assert [1, 7] == [one.data["n"] for one in snapshot.documents if one.data]
    # What was removed begins anew.
    documents.take(changed(removed="a"))
    snapshot, _ = documents.take(changed([stored("a", 5, 1)]))
    assert snapshot is not None
    assert [("added", "a", None, 0)] == told(snapshot.changes)


# For each document its number, -1 for one that doesn't fit, None for none.
states = st.dictionaries(st.sampled_from(NAMES), st.integers(-1, 4))


@given(st.lists(st.tuples(states, st.booleans(), st.booleans()), min_size=1, max_size=6), st.booleans(), st.randoms())
def test_any_changes_in_any_portions_lead_to_the_documents_in_order(
    steps: list[tuple[dict[str, int], bool, bool]], backwards: bool, random: Any
) -> None:
    documents, folding = live(backwards=backwards), Folding()
    rows: list[DocumentResult] = []
    now: dict[str, DocumentResult] = {}
    folding.add(changed(is_reset=True))
    for number, (state, is_reset, is_taken) in enumerate(steps):
        before = now
        now = {
            name: before[name] if name in before and before[name].data == {"n": n} else stored(name, n, number)
            for name, n in state.items()
        }
        gone = "".join(name for name in before if name not in now)
        given = [one for name, one in now.items() if is_reset or one is not before.get(name) or random.random() < 0.2]
        random.shuffle(given)
        folding.add(changed(given, "" if is_reset else gone + "z", is_reset=is_reset))
        if not is_taken and number < len(steps) - 1:
            continue
        result = folding.take()
        assert result is not None
        known = {row.path: row for row in rows}
        snapshot, errors = documents.take(result)
        assert all(isinstance(error, UnfitError) for error in errors)
        expected = sorted(
            (one for one in now.values() if one.data != {"n": -1}),
            key=lambda one: ((one.data or {})["n"], one.path),
            reverse=backwards,
        )
        if snapshot is None:
            assert rows == expected
            continue
        assert list(snapshot.documents) == replayed(rows, snapshot.changes) == expected
        kinds = [change.type for change in snapshot.changes]
        assert kinds == sorted(kinds, key=["removed", "added", "modified"].index)
        # What has not changed is the same object, and no document has two changes.
        touched = [change.document.path for change in snapshot.changes]
        assert len(touched) == len(set(touched))
        assert all(row is known[row.path] for row in rows if row.path not in touched)
    assert folding.take() is None


def test_a_modified_document_is_placed_by_its_new_values() -> None:
    documents = live()
    first, _ = documents.take(changed([stored("2", 1), stored("3", 1), stored("4", 2), stored("1", 3)], is_reset=True))
    assert first is not None
    assert [one.path for one in first.documents] == ["rows/2", "rows/3", "rows/4", "rows/1"]
    fresh = [stored("4", -3, 1), stored("1", -2, 1), stored("6", 3, 1), stored("5", 4, 1)]
    second, _ = documents.take(changed(fresh, "23"))
    assert second is not None
    assert told(second.changes) == [
        ("removed", "2", 0, None),
        ("removed", "3", 0, None),
        ("added", "6", None, 2),
        ("added", "5", None, 3),
        ("modified", "4", 0, 0),
        ("modified", "1", 1, 1),
    ]


def test_the_first_snapshot_may_be_empty_and_others_have_changes() -> None:
    documents = live()
    assert documents.take(changed(is_reset=True)) == (Snapshot((), (), START), [])
    assert documents.take(changed(is_reset=True)) == (None, [])
    assert documents.take(changed(removed="a")) == (None, [])
    assert documents.take(changed([stored("a", 1)]))[0] is not None
    assert documents.take(changed([stored("a", 1)])) == (None, [])
    assert documents.take(changed([stored("a", 1)], is_reset=True)) == (None, [])


def test_a_version_that_does_not_fit_is_an_error_once() -> None:
    documents = live()
    snapshot, errors = documents.take(changed([stored("a", 1), stored("b", -1)], is_reset=True))
    assert (snapshot is not None, [str(error) for error in errors]) == (True, ["rows/b"])
    assert documents.take(changed([stored("b", -1)])) == (None, [])
    assert len(documents.take(changed([stored("b", -1, 1)]))[1]) == 1
    snapshot, errors = documents.take(changed([stored("a", -1, 2)]))
    assert snapshot is not None
    assert (told(snapshot.changes), len(errors)) == ([("removed", "a", 0, None)], 1)
    # What is gone, and comes again as it was, is reported again.
    assert documents.take(changed(removed="b")) == (None, [])
    assert len(documents.take(changed([stored("b", -1, 1)]))[1]) == 1
    assert documents.take(changed([stored("a", -1, 2)], is_reset=True)) == (None, [])
    assert len(documents.take(changed([stored("b", -1, 1)]))[1]) == 1


def test_a_document_of_another_kind_is_left_out_without_an_error() -> None:
    def refuse(result: Any) -> Any:
        raise DecodeError(result.path, "Row", "n", "a row", "another kind", is_other_kind=True)

    documents = LiveDocuments[Any](BY_NUMBER, refuse, backwards=False)
    assert documents.take(changed([stored("a", 1)], is_reset=True)) == (Snapshot((), (), START), [])


def test_without_times_the_data_are_compared() -> None:
    documents = live()
    first = DocumentResult("rows/a", {"n": 1, "list": [1]})
    documents.take(changed([first], is_reset=True))
    assert first.data is not None
    first.data["list"].append(2)
    assert documents.take(changed([DocumentResult("rows/a", {"n": 1, "list": [1]})])) == (None, [])
    assert documents.take(changed([DocumentResult("rows/a", {"n": 1, "list": [1, 2]})]))[0] is not None


def test_folding_holds_no_more_than_there_is() -> None:
    folding = Folding()
    folding.add(changed([stored("a", 1)], is_reset=True))
    assert folding.take() == changed([stored("a", 1)], is_reset=True)
    for number in range(50):
        folding.add(changed([stored(f"new{number}", 1)]))
        folding.add(ListenResult((), (f"rows/new{number}",), START))
        folding.add(changed([stored("a", number, number)]))
    assert folding.take() == changed([stored("a", 49, 49)])
    folding.add(changed(removed="a"))
    folding.add(changed([stored("a", 1, 99)]))
    folding.add(changed([stored("b", 1)], "a"))
    assert folding.take() == changed([stored("b", 1)], "a")
    assert folding.take() is None
    # Nothing of an earlier state counts after a reset.
    folding.add(changed([stored("c", 1)], "b"))
    folding.add(changed([stored("b", 1)], is_reset=True))
    assert folding.take() == changed([stored("b", 1)], is_reset=True)


def test_values_without_an_order_come_last() -> None:
    key = sort_key(QueryPlan("rows", orders=(Order(FieldPath("n")), Order(FieldPath("__name__")))), backwards=False)
    known = key(DocumentResult("rows/a", {"n": 1}, START, START))
    assert known < key(DocumentResult("rows/a", {}, START, START))
    assert known < key(DocumentResult("rows/a", {"n": object()}, START, START))
    by_two = sort_key(QueryPlan("rows", orders=(Order(FieldPath("n")), Order(FieldPath("m"), True))), backwards=False)
    two = [DocumentResult("rows/a", {"n": 1, "m": m}, START, START) for m in (2, 1)]
    assert by_two(two[0]) < by_two(two[1]) < by_two(DocumentResult("rows/a", {"n": 2, "m": 3}, START, START))
    assert sort_key(GetPlan(("rows/a",)), backwards=False)(DocumentResult("rows/a", {}, START, START)) == b""


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
