from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import pytest
from cendry import Cendry, CendryError, Change, DecodeError, InvalidDocumentIdError, Ref, Snapshot, get_metadata
from cendry.plan import GetPlan, QueryPlan
from core.documents import Area, City
from core.recording import RecordingBackend


@pytest.fixture
def backend() -> Iterator[RecordingBackend]:
    store = RecordingBackend()
    for index, name in enumerate("abc"):
        store.put(f"cities/{name}", {"displayName": name.upper(), "population": index})
    store.calls.clear()
    yield store
    store.store.close()


@pytest.fixture
def ctx(backend: RecordingBackend) -> Cendry:
    return Cendry(backend=backend)


def told(snapshot: Snapshot[City]) -> list[tuple[str, str | None, int | None, int | None]]:
    return [(one.type, one.document.id, one.old_index, one.new_index) for one in snapshot.changes]


def test_snapshots_of_a_query(ctx: Cendry, backend: RecordingBackend) -> None:
    seen: list[Snapshot[City]] = []
    query = ctx.select(City, City.population < 5, order_by=City.population)
    with query.on_snapshot(seen.append) as listener:
        assert [city.id for city in seen[0].documents] == ["a", "b", "c"]
        assert told(seen[0]) == [("added", "a", None, 0), ("added", "b", None, 1), ("added", "c", None, 2)]
        assert get_metadata(seen[0].documents[0]).path == "cities/a"
        assert seen[0].read_time is not None
        backend.put("cities/b", {"displayName": "new", "population": 4})
        assert told(seen[1]) == [("modified", "b", 1, 2)]
        assert seen[1].changes[0].document == City(id="b", name="new", population=4)
        backend.put("cities/a", {"displayName": "A", "population": 9})
        assert told(seen[2]) == [("removed", "a", 0, None)]
        assert seen[2].changes[0].document.name == "A"
        backend.put("cities/d", {"displayName": "D", "population": 3})
        assert told(seen[3]) == [("added", "d", None, 1)]
        closed = [listener.closed]
    assert [*closed, listener.closed] == [False, True]
    backend.put("cities/e", {"displayName": "E", "population": 3})
    assert len(seen) == 4
    assert isinstance(backend.plans("listen")[0], QueryPlan)


def test_the_past_has_no_listeners(ctx: Cendry, backend: RecordingBackend) -> None:
    moment = datetime(2024, 1, 1, tzinfo=timezone.utc)
    past = ctx.at(moment)
    for listen in (
        lambda: ctx.select(City).at(moment).on_snapshot(print),
        lambda: past.select(City).on_snapshot(print),
        lambda: past.on_snapshot(City, "a", print),
    ):
        with pytest.raises(CendryError, match="has no listeners"):
            listen()
    assert not backend.calls


def test_values_of_snapshots_are_frozen() -> None:
    change = Change("added", City(name="x"), None, 0)
    with pytest.raises(AttributeError):
        change.type = "removed"  # type: ignore[misc]


def test_snapshots_of_one_document(ctx: Cendry, backend: RecordingBackend) -> None:
    seen: list[Snapshot[City]] = []
    listener = ctx.on_snapshot(City, "x", seen.append)
    assert seen[0] == Snapshot((), (), seen[0].read_time)
    backend.put("cities/x", {"displayName": "X"})
    assert (seen[1].documents[0].name, told(seen[1])) == ("X", [("added", "x", None, 0)])
    backend.remove("cities/x")
    backend.put("cities/y", {"displayName": "Y"})
    assert told(seen[2]) == [("removed", "x", 0, None)]
    listener.close()
    listener.unsubscribe()
    assert listener.closed
    assert backend.plans("listen") == [GetPlan(("cities/x",))]


def test_documents_by_ref_and_below_a_parent(ctx: Cendry, backend: RecordingBackend) -> None:
    seen: list[Any] = []
    with (
        ctx.on_snapshot(Ref(City, "a"), seen.append),
        ctx.on_snapshot(Area, "x", seen.append, parent=Ref(City, "a"), on_error=seen.append),
    ):
        pass
    assert backend.plans("listen") == [GetPlan(("cities/a",)), GetPlan(("cities/a/areas/x",))]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((5, None), r"on_snapshot\(\) takes a callback, not 5"),
        ((print, 5), "on_error= takes a function of one argument, the error, not 5"),
    ],
)
def test_callbacks_are_functions(ctx: Cendry, backend: RecordingBackend, arguments: Any, message: str) -> None:
    callback, on_error = arguments
    with pytest.raises(TypeError, match=message):
        ctx.select(City).on_snapshot(callback, on_error=on_error)
    with pytest.raises(TypeError, match=message):
        ctx.on_snapshot(City, "x", callback, on_error=on_error)
    assert backend.plans("listen") == []


def test_limit_to_last_keeps_the_order_of_the_query(ctx: Cendry) -> None:
    seen: list[Snapshot[City]] = []
    ctx.select(City, order_by=City.population).limit_to_last(2).on_snapshot(seen.append).close()
    assert [city.id for city in seen[0].documents] == ["b", "c"]


def test_a_database_without_times_is_asked_for_the_data(ctx: Cendry, backend: RecordingBackend) -> None:
    backend.with_times = False
    seen: list[Snapshot[City]] = []
    with ctx.select(City).on_snapshot(seen.append):
        backend.put("cities/d", {"displayName": "D", "population": 3})
        backend.put("cities/b", {"displayName": "new", "population": 1})
    assert [told(one) for one in seen[1:]] == [[("added", "d", None, 3)], [("modified", "b", 1, 1)]]


def test_an_unreadable_document_goes_to_on_error_once_and_the_listener_goes_on(
    ctx: Cendry, backend: RecordingBackend
) -> None:
    seen: list[Snapshot[City]] = []
    errors: list[BaseException] = []
    with ctx.select(City).on_snapshot(seen.append, on_error=errors.append):
        backend.put("cities/b", {"displayName": 5})
        assert told(seen[-1]) == [("removed", "b", 1, None)]
        backend.put("cities/d", {"displayName": "D"})
        assert [city.id for city in seen[-1].documents] == ["a", "c", "d"]
        assert len(errors) == 1
        backend.put("cities/b", {"displayName": 6})
        backend.put("cities/b", {"displayName": "B"})
        assert told(seen[-1]) == [("added", "b", None, 1)]
    assert [type(error) for error in errors] == [DecodeError] * 2
    assert str(errors[0]) == "Document 'cities/b' doesn't fit City: name: expected str, found int 5."


def test_a_callback_that_raises_does_not_end_the_listener(ctx: Cendry, backend: RecordingBackend) -> None:
    errors: list[BaseException] = []
    calls: list[int] = []

    def fails(snapshot: Snapshot[City]) -> None:
        calls.append(len(snapshot.documents))
        raise KeyError("mine")

    with ctx.select(City).on_snapshot(fails, on_error=errors.append):
        backend.put("cities/d", {"displayName": "D"})
    assert (calls, [type(error) for error in errors]) == ([3, 4], [KeyError] * 2)


def test_without_on_error_errors_are_logged(
    ctx: Cendry, backend: RecordingBackend, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(error: object) -> None:
        raise ValueError("mine")

    with caplog.at_level(logging.ERROR, logger="cendry"):
        ctx.on_snapshot(City, "a", fails).close()
        ctx.on_snapshot(City, "a", fails, on_error=fails).close()
    assert [record.name for record in caplog.records] == ["cendry"] * 2
    assert "An error occurred in a listener without on_error." in caplog.text
    assert "ValueError: mine" in caplog.text


def test_the_end_of_a_listener_is_told(ctx: Cendry, backend: RecordingBackend) -> None:
    errors: list[BaseException] = []
    listener = ctx.select(City).on_snapshot(print, on_error=errors.append)
    lost = ConnectionError("lost")
    (running,) = backend.listening
    running.on_error(lost)
    assert (errors, listener.closed) == ([lost], True)
    running.on_error(lost)
    assert errors == [lost]


def test_a_listener_can_be_closed_from_its_callback(ctx: Cendry, backend: RecordingBackend) -> None:
    seen: list[Any] = []
    listeners: list[Any] = []

    def first_only(snapshot: Snapshot[City]) -> None:
        seen.append(snapshot)
        for listener in listeners or ctx._sender.listeners.copy():
            listener.close()

    # Here the callback comes before there is a handle.
    listener = ctx.select(City).on_snapshot(first_only)
    assert (listener.closed, backend.listening) == (True, [])
    backend.put("cities/d", {"displayName": "D"})
    assert len(seen) == 1


def test_closing_the_context_closes_its_listeners(ctx: Cendry, backend: RecordingBackend) -> None:
    seen: list[Any] = []
    one, two = ctx.select(City).on_snapshot(seen.append), ctx.on_snapshot(City, "a", seen.append)
    running = backend.listening[0]
    ctx.close()
    assert (one.closed, two.closed, backend.listening) == (True, True, [])
    # What is on its way already is not told any more.
    assert running.last is not None
    running.take(running.last)
    assert len(seen) == 2


def test_what_can_not_be_listened_to(ctx: Cendry, backend: RecordingBackend) -> None:
    backend.fail("listen", RuntimeError("broken"))
    with pytest.raises(RuntimeError, match="broken"):
        ctx.select(City).on_snapshot(print)
    assert ctx._sender.listeners == set()
    with pytest.raises(InvalidDocumentIdError):
        ctx.on_snapshot(City, "a/b", print)
    with pytest.raises(TypeError, match=r"on_snapshot\(\) takes a callback, not 5"):
        ctx.on_snapshot(City, "a", 5)  # type: ignore[call-overload]
    with pytest.raises(CendryError, match="This City has no id"):
        ctx.on_snapshot(City(name="x"), print)  # type: ignore[call-overload]
    with pytest.raises(CendryError, match="Area is a subcollection of City"):
        ctx.select(Area).on_snapshot(print)
