"""Forked children: what has not used Datastore works there, and all else is refused at once."""

from __future__ import annotations

import os
import textwrap

import pytest
from cendry import _fork
from cendry._interop import grpc
from cendry.errors import UsedBeforeForkError
from cendry.plan import GetPlan, QueryPlan, Set
from cendry_datastore import DatastoreBackend
from forking import forks, python

pytestmark = forks

PRELUDE = """
from cendry import DatastoreBackend
from cendry.plan import GetPlan
from google.cloud.datastore import Client, Entity

[project] = arguments

class Item(Model, collection="items"):
    n: Field[int]

def use(ctx, name="a"):
    ctx.save(Item(id=name, n=1))
    assert ctx.get(Item, name).n == 1
"""


def run(program: str, project: str) -> None:
    assert python(PRELUDE + textwrap.dedent(program), project) == ""


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["os._exit", "sys.exit"])
def test_a_backend_that_was_used_is_refused(datastore_host: str, project: str, ending: str) -> None:
    run(
        f"""
        backend = DatastoreBackend(project=project)
        ctx = Cendry(backend=backend)
        other = Cendry(backend=DatastoreBackend(Client(project=project)))
        use(ctx)
        rows = iter(ctx.select(Item))
        transaction = backend.begin()
        list(backend.get(GetPlan(("items/a",)), transaction=transaction))

        def work():
            refused(use, ctx)
            refused(use, other)
            refused(ctx.get, Item, "a")
            refused(next, rows)
            refused(ctx.transaction, lambda txn: txn.find(Item, "a"))
            refused(ctx.transaction, lambda txn: txn.delete(Item, "a"))
            refused(backend.commit, [Set("items/a", {{}})], transaction=transaction)
            refused(lambda: use(Cendry(project=project)))
            backend.close()

        for number in range(3):
            child(work, ending={ending})
            use(ctx, str(number))
        assert len(list(rows)) == 4
        """,
        project,
    )


@pytest.mark.slow
def test_a_backend_that_was_not_used_works(datastore_host: str, project: str) -> None:
    run(
        """
        ctx = Cendry(backend=DatastoreBackend(project=project))
        given = Cendry(backend=DatastoreBackend(Client(project=project)))

        def work(number):
            use(ctx, f"a{number}")
            use(given, f"b{number}")

        for number in range(3):
            child(work, number, ending=sys.exit)
        assert len(ctx.select(Item).ids()) == 6
        """,
        project,
    )


@pytest.mark.slow
def test_a_client_of_the_sdk_that_was_used_is_refused(datastore_host: str, project: str) -> None:
    run(
        """
        client = Client(project=project)
        ctx = Cendry(backend=DatastoreBackend(client))
        client.put(Entity(client.key("items", "a")))
        child(refused, use, ctx)
        child(refused, use, ctx, ending=sys.exit)
        """,
        project,
    )


def test_what_a_backend_does_in_a_child(
    backend: DatastoreBackend, project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same in this process, which is no child."""
    backend.commit([Set("items/a", {"n": 1})])
    later = backend.run(QueryPlan("items"))
    found = backend.get(GetPlan(("items/a",)))
    opened = backend._opened
    assert opened is not None
    backend.after_fork()
    assert _fork.kept[-1] is opened
    DatastoreBackend(opened.client).after_fork()
    assert _fork.kept[-1] is opened.client
    monkeypatch.setattr(grpc, "_used_in", os.getppid())
    for use in (
        lambda: next(later),
        lambda: next(found),
        lambda: next(backend.run(QueryPlan("items"))),
        lambda: backend.commit([Set("items/a", {})]),
    ):
        with pytest.raises(UsedBeforeForkError, match="Fork before the first call") as caught:
            use()
        assert (caught.value.backend, caught.value.process) == ("Datastore", os.getppid())
    opened.close()
