"""What has no equivalent in Datastore mode, and what is bad input: typed errors, most before anything is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any, cast

import pytest
from cendry import (
    SERVER_TIMESTAMP,
    ArrayUnion,
    AsyncCendry,
    Cendry,
    CendryError,
    Desc,
    Field,
    FieldPath,
    Increment,
    InvalidDocumentIdError,
    InvalidRequestError,
    InvalidValueError,
    Map,
    MissingIndexError,
    Model,
    UnsupportedByBackendError,
    Vector,
    field,
    get_metadata,
    ref_of,
)
from cendry.plan import Aggregation, AggregationPlan, Condition, QueryPlan, Set
from cendry_datastore import DatastoreBackend, NamespaceNotFoundError
from cendry_datastore._errors import meaning_of
from cendry_memory.emulator import CLASSIC_DATASTORE, start, stop
from cendry_memory.testing import Database
from google.api_core import exceptions
from google.cloud import datastore


class Place(Map):
    city: Field[str] = field(default="")


class User(Model, collection="User"):
    name: Field[str] = field(default="")
    n: Field[int | None] = field(default=None)
    place: Field[Place | None] = field(default=None)
    tags: Field[list[str]] = field(default_factory=list)
    seen: Field[datetime | None] = field(default=None)
    keys: Field[dict[str, Any]] = field(default_factory=dict)


class Embedded(Model, collection="User"):
    near: Field[Vector]


MOMENT = datetime(2024, 1, 1, tzinfo=timezone.utc)

UNSUPPORTED: list[tuple[str, Callable[[Cendry, User], object]]] = [
    ("OR filters", lambda ctx, _: ctx.select(User, (User.n == 1) | (User.n == 2)).to_list()),
    ("OR filters", lambda ctx, _: ctx.select(User, User.name == "x", (User.n == 1) | (User.n == 2)).count()),
    ("collection groups", lambda ctx, _: ctx.select_group(User).to_list()),
    ("listeners", lambda ctx, _: ctx.on_snapshot(User, "a", print)),
    ("listeners", lambda ctx, _: ctx.select(User).on_snapshot(print)),
    ("the async twin", lambda ctx, _: AsyncCendry(backend=DatastoreBackend())),  # type: ignore[arg-type]
    ("transforms", lambda ctx, user: ctx.update(user, {User.n: Increment(1)})),
    ("transforms", lambda ctx, user: ctx.update(user, {User.tags: ArrayUnion(["x"])})),
    ("transforms", lambda ctx, user: ctx.update(user, {User.seen: SERVER_TIMESTAMP})),
    ("transforms", lambda ctx, user: ctx.save(User(id="t", name="x", tags=cast("Any", ArrayUnion(["x"]))))),
    ("merge", lambda ctx, user: ctx.merge(user, {User.n: 1, User.name: "x"})),
    ("if_unchanged", lambda ctx, user: ctx.save(user, if_unchanged=MOMENT)),
    ("if_unchanged", lambda ctx, user: ctx.update(User, "a", {User.n: 1}, if_unchanged=MOMENT)),
    ("if_unchanged", lambda ctx, user: ctx.delete(User, "a", if_unchanged=MOMENT)),
    ("create, update and read times", lambda ctx, user: ctx.save(user, if_unchanged=True)),
    ("create, update and read times", lambda ctx, user: get_metadata(user)),
    ("create, update and read times", lambda ctx, user: get_metadata(ctx.get(User, "a"))),
    ("vectors", lambda ctx, _: ctx.save(Embedded(id="a", near=Vector([1.0])))),
    ("search by vector", lambda ctx, _: ctx.select(Embedded).find_nearest(Embedded.near, [1.0], limit=1).to_list()),
    ("cursors by value", lambda ctx, _: ctx.select(User, order_by=User.n, start_at={"n": 1}).to_list()),
    ("cursors by value", lambda ctx, user: ctx.select(User, end_before=user).to_list()),
    ("page(before=)", lambda ctx, _: ctx.select(User, order_by=User.n).page(2, before="x")),
    ("page() of limit_to_last()", lambda ctx, _: ctx.select(User, order_by=User.n).limit_to_last(3).page(2)),
    ("filters by whole arrays and maps", lambda ctx, _: ctx.select(User, User.tags == ["x"]).to_list()),
    ("filters by whole arrays and maps", lambda ctx, _: ctx.select(User, User.place == Place(city="x")).to_list()),
    ("names with a dot inside maps", lambda ctx, _: ctx.select(User, User.keys["a.b"] == 1).to_list()),
    ("names with a dot inside maps", lambda ctx, _: ctx.select(User, order_by=FieldPath("keys", "a.b")).to_list()),
]


@pytest.mark.parametrize(("feature", "call"), UNSUPPORTED, ids=[f"{n} {one[0]}" for n, one in enumerate(UNSUPPORTED)])
def test_what_has_no_equivalent_is_refused_with_a_way_out(
    ctx: Cendry, feature: str, call: Callable[[Cendry, User], object]
) -> None:
    user = User(id="a", name="Ada", n=5)
    ctx.save(user)
    with pytest.raises(UnsupportedByBackendError) as caught:
        call(ctx, user)
    assert caught.value.feature.startswith(feature)
    assert "Firestore in Native mode does" in str(caught.value)
    assert User(id="a", name="Ada", n=5) == ctx.get(User, "a")


def test_the_path_is_remembered_where_there_are_no_times(ctx: Cendry) -> None:
    user = User(name="Ada")
    ctx.save(user)
    assert f"User/{user.id}" == ref_of(user).path
    ctx.delete(user)
    with pytest.raises(CendryError, match="was deleted through this instance"):
        get_metadata(user)


def test_a_refusal_sends_nothing(project: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Nothing listens there.
    monkeypatch.setenv("DATASTORE_EMULATOR_HOST", "127.0.0.1:1")
    with Cendry(backend=DatastoreBackend(project=project), timeout=0.5) as ctx:
        with pytest.raises(UnsupportedByBackendError):
            ctx.update(User, "a", {User.n: Increment(1)})
        with pytest.raises(UnsupportedByBackendError):
            ctx.select(User, (User.n == 1) | (User.n == 2)).to_list()
        with pytest.raises(UnsupportedByBackendError):
            ctx.save(Embedded(id="a", near=Vector([1.0])))
        with pytest.raises(InvalidRequestError, match="1500 bytes"):
            ctx.select(User, User.name == "x" * 1501).to_list()
        with pytest.raises(CendryError, match="Nothing answers"):
            ctx.select(User).to_list()


# --- bad input ---


@pytest.mark.parametrize("document_id", ["", "a/b", ".", "..", "__x__", "__id0__", "__id007__", "\ud800", "é" * 751])
def test_ids_that_cannot_be(ctx: Cendry, document_id: str) -> None:
    for call in (
        lambda: ctx.save(User(id=document_id)),
        lambda: ctx.find(User, document_id),
        lambda: ctx.delete(User, document_id),
        lambda: ctx.select(User, User.id == document_id).to_list(),
    ):
        with pytest.raises(InvalidDocumentIdError):
            call()


@pytest.mark.parametrize("kind", ["a/b", "__x__", "..", "", "é" * 751])
def test_kinds_that_native_cannot_hold_are_no_collections(kind: str) -> None:
    with pytest.raises((TypeError, InvalidDocumentIdError), match=r"collection"):

        class _Wrong(Model, collection=kind):
            name: Field[str]


def test_more_than_500_at_once(ctx: Cendry) -> None:
    with pytest.raises(CendryError, match="at most 500"):
        ctx.save_many(User(id=str(number)) for number in range(501))
    assert ctx.find(User, "0") is None


def test_500_at_once(ctx: Cendry, emulator: str) -> None:
    users = [User(id=f"{number:03}") for number in range(500)]
    if emulator == "mode":
        assert 500 == len(ctx.save_many(users))
        assert 500 == len(ctx.get_many(User, [user.id or "" for user in users]))
    else:
        # That emulator still counts entity groups; 25 are the most, and none is written.
        with pytest.raises(InvalidRequestError, match="too many entity groups"):
            ctx.save_many(users)
        assert [] == ctx.select(User).ids()


@pytest.mark.parametrize("value", ["x" * 1501, "é" * 751, b"x" * 1501])
def test_values_that_no_index_holds_are_refused_in_filters(db: Database, value: Any) -> None:
    with pytest.raises(InvalidRequestError, match="'name' has a value of more than 1500 bytes"):
        db.run(QueryPlan("User", where=Condition(FieldPath("name"), "==", value)))
    with pytest.raises(InvalidRequestError, match="1500 bytes"):
        db.run(QueryPlan("User", where=Condition(FieldPath("name"), "in", ["short", value])))


@pytest.mark.parametrize("data", [{"x": [[1]]}, {"__x__": 1}, {"": 1}, {"é" * 751: 1}], ids=lambda data: str(data)[:20])
def test_what_the_server_refuses_is_told_as_that(db: Database, data: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequestError):
        db.commit(Set("User/fine", {}), Set("User/a", data))
    assert [None, None] == [db.data("User/fine"), db.data("User/a")]


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1])
def test_integers_beyond_64_bits(ctx: Cendry, db: Database, number: int) -> None:
    with pytest.raises(InvalidValueError):
        ctx.save(User(id="a", n=number))
    with pytest.raises(ValueError, match=r"range|int64"):
        db.commit(Set("User/a", {"n": number}))
    assert db.data("User/a") is None


@pytest.mark.parametrize("namespace", ["bad ns!", "a/b", "x" * 101, "ü"])
def test_namespaces_that_cannot_be(namespace: str) -> None:
    with pytest.raises(InvalidDocumentIdError, match="is not a valid namespace"):
        DatastoreBackend(namespace=namespace)
    with pytest.raises(InvalidDocumentIdError):
        DatastoreBackend(namespace=5)  # type: ignore[arg-type]


def test_a_namespace_that_does_not_exist(datastore_host: str, project: str, emulator: str) -> None:
    with Cendry(backend=DatastoreBackend(project=project, namespace="misspelt")) as ctx:
        assert ctx.find(User, "a") is None
        query = ctx.select(User)
        if emulator == "mode":
            # That emulator answers no query for namespaces.
            assert [] == query.to_list()
        else:
            with pytest.raises(NamespaceNotFoundError, match="There is no namespace 'misspelt'") as caught:
                query.to_list()
            assert ("misspelt", project) == (caught.value.namespace, caught.value.project)
            assert isinstance(caught.value, CendryError)
        ctx.save(User(id="a"))
        assert ["a"] == query.ids()
        assert [] == ctx.select(User, User.name == "?").ids()
    with Cendry(backend=DatastoreBackend(project=project, namespace="misspelt")) as ctx:
        assert [] == ctx.select(User, User.name == "?").ids()
        assert [] == ctx.select(User, User.name == "?").ids()


def test_what_contradicts_itself(datastore_host: str, project: str) -> None:
    client = datastore.Client(project=project)
    given: list[dict[str, Any]] = [{"project": "x"}, {"database": "x"}, {"namespace": "x"}]
    for wrong in given:
        with pytest.raises(TypeError, match="Pass either client="):
            DatastoreBackend(client, **wrong)
    with pytest.raises(TypeError, match=r"client= takes a google\.cloud\.datastore\.Client"):
        DatastoreBackend(object())
    http = datastore.Client(project=project, _use_grpc=False)
    with pytest.raises(CendryError, match="speaks HTTP"):
        DatastoreBackend(http).client  # noqa: B018


def fields_of(index: Any) -> list[str]:
    return [] if index is None else [field["fieldPath"] for field in index["fields"]]


@pytest.fixture
def strict(
    cendry_classic_datastore_host: str, project: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[DatastoreBackend]:
    """A backend on an emulator that demands composite indexes, as production does, and has none."""
    demanding = replace(CLASSIC_DATASTORE, before=("start", "--testing", "--require_indexes"))
    process, host = start(demanding)
    monkeypatch.setenv("DATASTORE_EMULATOR_HOST", host)
    backend = DatastoreBackend(project=project)
    yield backend
    backend.close()
    stop(process)


@pytest.mark.slow
def test_a_missing_index_is_named_and_no_more_are_needed_than_datastore_needs(strict: DatastoreBackend) -> None:
    ctx = Cendry(backend=strict)
    ctx.save_many([User(id="a", name="x", n=1), User(id="b", name="x", n=2), User(id="c", name="y")])
    for query, expected in (
        (ctx.select(User, User.name == "x", order_by=User.n), ["name", "n", "__name__"]),
        (ctx.select(User, User.name == "x", User.n > 1), ["name", "n", "__name__"]),
        (ctx.select(User, order_by=User.n).limit_to_last(1), []),
    ):
        with pytest.raises(MissingIndexError, match="The query on 'User' needs an index that does not exist") as caught:
            query.to_list()
        # Firestore sorts by one field in both directions without being asked.
        assert expected == fields_of(caught.value.index)
    # Guards against null and pages need none of their own.
    assert ["a", "b"] == ctx.select(User, User.n < 9).ids()
    assert ["a", "b"] == ctx.select(User, User.n.is_not_null()).ids()
    by_n = ctx.select(User, order_by=User.n.desc())
    assert [["b"], ["a"], ["c"]] == [[user.id for user in page] for page in by_n.paginate(1)]
    assert [["b"], ["c"]] == [[user.id for user in page] for page in ctx.select(User, User.id > "a").paginate(1)]


def test_the_index_that_production_recommends_is_known() -> None:
    text = "no matching index found. recommended index is:\n- kind: User\n  properties:\n  - name: a\n  - name: b\n"
    found = meaning_of(exceptions.FailedPrecondition(text), query=QueryPlan("User"))
    assert isinstance(found, MissingIndexError)
    assert ["a", "b", "__name__"] == fields_of(found.index)
    # Where it recommends none, it is the one that Firestore needs.
    plan = QueryPlan("User", where=Condition(FieldPath("a"), "==", 1))
    query = AggregationPlan(plan, (Aggregation("sum", FieldPath("b")),))
    found = meaning_of(exceptions.FailedPrecondition("no matching index found."), query=query)
    assert isinstance(found, MissingIndexError)
    assert ["a", "b", "__name__"] == fields_of(found.index)


def test_errors_without_a_cendry_meaning_stay_as_they_are() -> None:
    assert meaning_of(exceptions.FailedPrecondition("no matching index found")) is None
    assert meaning_of(exceptions.NotFound("no database")) is None
    assert meaning_of(exceptions.AlreadyExists("x")) is None


def test_orders_downwards_by_id(ctx: Cendry) -> None:
    ctx.save_many([User(id="a"), User(id="b")])
    assert ["b", "a"] == ctx.select(User, order_by=Desc(User.id)).ids()
