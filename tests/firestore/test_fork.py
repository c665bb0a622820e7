"""Forked children: what has not used Firestore works there, and all else is refused at once."""

from __future__ import annotations

import os
import textwrap
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cendry import Field, Model, _fork, default_registry
from cendry._interop import grpc
from cendry.backend import ListenResult
from cendry.codec import codec_for
from cendry.errors import UsedBeforeForkError
from cendry.plan import GetPlan, QueryPlan, Set
from cendry_firestore import AsyncFirestoreBackend, FirestoreBackend
from cendry_firestore._transport import GENERATED_VARIABLE
from forking import forks, python, script
from google.cloud.firestore import Client

PRELUDE = """
from cendry import AsyncFirestoreBackend, FirestoreBackend

project = arguments[0]

class Item(Model, collection="items"):
    n: Field[int]

def count(ctx):
    return ctx.select(Item).count()

def use(ctx, name="a"):
    ctx.save(Item(id=name, n=1))
    assert ctx.get(Item, name).n == 1

async def use_async(ctx, name="a"):
    await ctx.save(Item(id=name, n=1))
    assert (await ctx.get(Item, name)).n == 1

def new():
    '''A context of a child's own.'''
    with Cendry(project=project) as ctx:
        ctx.find(Item, "a")

async def new_async():
    async with AsyncCendry(project=project) as ctx:
        await ctx.find(Item, "a")
"""

pytestmark = forks


class Item(Model, collection="items"):
    n: Field[int]


def run(program: str, *arguments: object, **environ: str) -> None:
    assert python(PRELUDE + textwrap.dedent(program), *arguments, environ=environ) == ""


@pytest.mark.parametrize("ending", ["os._exit", "sys.exit"])
def test_a_context_that_was_used_is_refused(firestore_emulator: str, project: str, ending: str) -> None:
    run(
        f"""
        from google.cloud.firestore import Client

        ctx = Cendry(project=project)
        client = ctx.client
        use(ctx)
        transaction = ctx._sender.begin(False, None)
        from cendry.plan import GetPlan
        ctx._sender.inside(transaction).get(GetPlan(("c/a",)), bool, "get")

        def work():
            refused(use, ctx)
            refused(ctx.get, Item, "a")
            refused(ctx.select(Item).to_list)
            refused(lambda: iter(ctx.select(Item)))
            refused(ctx.delete, Item, "a")
            refused(ctx.transaction, lambda txn: txn.find(Item, "a"))
            refused(ctx.transaction, lambda txn: txn.delete(Item, "a"))
            refused(ctx._sender.rollback, transaction.handle)
            refused(ctx.select(Item).on_snapshot, print)
            refused(lambda: ctx.client)
            refused(new)
            refused(new_async)
            refused(lambda: use(Cendry(client=Client(project=project))))
            ctx.close()

        for number in range(3):
            child(work, ending={ending})
            use(ctx, str(number))
        assert count(ctx) == 4
        """,
        project,
    )


def test_a_context_that_was_not_used_works(firestore_emulator: str, project: str) -> None:
    run(
        """
        from google.cloud.firestore import AsyncClient, Client

        ctx = Cendry(project=project)
        given = Cendry(client=Client(project=project))
        actx = AsyncCendry(project=project)
        agiven = AsyncCendry(client=AsyncClient(project=project))

        def work(number):
            use(ctx, f"a{number}")
            use(given, f"b{number}")
            asyncio.run(use_async(actx, f"c{number}"))
            asyncio.run(use_async(agiven, f"d{number}"))
            child(refused, use, ctx)

        for number in range(3):
            child(work, number, ending=sys.exit)
        assert count(ctx) == 12
        """,
        project,
    )


@pytest.mark.parametrize("ending", ["os._exit", "sys.exit"])
def test_an_async_context_that_was_used_is_refused(firestore_emulator: str, project: str, ending: str) -> None:
    run(
        f"""
        ctx = AsyncCendry(project=project)
        unused = AsyncCendry(project=project, timeout=5)

        def work():
            for each in (ctx, unused):
                refused(lambda: asyncio.run(use_async(each)))
            refused(new)
            refused(new_async)
            asyncio.run(ctx.close())

        async def main():
            await use_async(ctx)
            rows = aiter(ctx.select(Item))
            assert (await anext(rows)).n == 1

            # In a child of a running loop there is no loop: what is awaited begins without one.
            def inside():
                for call in (ctx.get(Item, "a"), unused.find(Item, "a")):
                    refused(call.send, None)
                refused(anext(rows).send, None)

            for _ in range(3):
                child(inside, ending=os._exit)
            await use_async(ctx)
            await rows.aclose()

        asyncio.run(main())
        for _ in range(3):
            child(work, ending={ending})
        asyncio.run(use_async(ctx))
        """,
        project,
    )


def test_what_the_parent_reads_and_hears_stays_its_own(firestore_emulator: str, project: str) -> None:
    run(
        """
        ctx = Cendry(project=project)
        ctx.save_many([Item(id=f"{number:03}", n=number) for number in range(300)])
        heard = []
        listener = ctx.select(Item).on_snapshot(lambda snapshot: heard.append(len(snapshot.documents)))
        watched = ctx.select(Item).snapshots()
        assert len(next(watched).documents) == 300
        rows = iter(ctx.select(Item))
        begun = [next(rows) for _ in range(3)]
        later = iter(ctx.select(Item))

        def work():
            before = len(heard)
            refused(next, rows)
            refused(next, later)
            refused(next, watched)
            listener.close()
            watched.close()
            ctx.close()
            time.sleep(0.2)
            assert len(heard) == before

        def drop():
            global rows, later, listener, watched, ctx
            del rows, later, listener, watched, ctx
            gc.collect()

        for ending in (os._exit, sys.exit):
            child(work, ending=ending)
            child(drop, ending=ending)
            # The frames of the parent, and what they read, end with the child.
            child(lambda: None, ending=ending)
        assert [item.n for item in (*begun, *rows)] == list(range(300))
        assert len(list(later)) == 300
        ctx.save(Item(id="more", n=0))
        deadline = time.monotonic() + 20
        while not heard or heard[-1] != 301:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert len(next(watched).documents) == 301
        listener.close()
        watched.close()
        ctx.close()
        """,
        project,
    )


@pytest.mark.skipif(
    os.environ.get(GENERATED_VARIABLE) == "1",
    reason="gRPC's own streams can miss their answer when another thread forks; the generated client uses them",
)
def test_no_write_is_lost_while_threads_of_the_parent_are_busy(firestore_emulator: str, project: str) -> None:
    run(
        """
        ctx = Cendry(project=project)
        written = []

        def write(name):
            number = 0
            while not stopped:
                number += 1
                use(ctx, f"{name}{number}")
                ctx.select(Item).limit(20).to_list()
                written.append(name)

        stopped = []
        # Daemons, so that an error ends the program.
        threads = [threading.Thread(target=write, args=(name,), daemon=True) for name in "xyz"]
        for thread in threads:
            thread.start()
        while len(written) < 10:
            time.sleep(0.01)
        for number in range(12):
            child(refused, use, ctx, ending=sys.exit if number % 2 else os._exit)
            child(refused, new)
        stopped.append(True)
        for thread in threads:
            thread.join()
        assert count(ctx) == len(written)
        """,
        project,
    )


def test_no_child_of_a_busy_event_loop_hangs(firestore_emulator: str, project: str) -> None:
    # gRPC's own handlers crash some children of such a process; this tells it to leave them alone.
    run(
        """
        ctx = AsyncCendry(project=project)
        started = threading.Event()

        def work():
            async def write():
                while not stopped:
                    await asyncio.gather(*(use_async(ctx, str(number)) for number in range(5)))
                    started.set()
                await ctx.close()

            asyncio.run(write())

        stopped = []
        thread = threading.Thread(target=work)
        thread.start()
        started.wait()
        for number in range(12):
            child(refused, lambda: asyncio.run(use_async(ctx)), ending=sys.exit if number % 2 else os._exit)
            child(refused, new_async)
        stopped.append(True)
        thread.join()
        """,
        project,
        GRPC_ENABLE_FORK_SUPPORT="0",
    )


def test_a_client_of_the_sdk_that_was_used_is_refused(firestore_emulator: str, project: str) -> None:
    run(
        """
        from google.cloud.firestore import Client

        client = Client(project=project)
        ctx = Cendry(client=client)
        client.document("items/a").set({"n": 1})

        for ending in (os._exit, sys.exit):
            child(refused, use, ctx, ending=ending)
            child(refused, new, ending=ending)
        use(ctx)
        """,
        project,
    )


def test_streams_do_not_hinder_grpcs_own_fork_support(firestore_emulator: str, project: str) -> None:
    run(
        """
        ctx = Cendry(project=project)
        ctx.save_many([Item(id=f"{number:03}", n=number) for number in range(300)])
        rows = iter(ctx.select(Item))
        next(rows)
        for _ in range(3):
            child(refused, next, rows)
        assert len(list(rows)) == 299
        """,
        project,
        GRPC_ENABLE_FORK_SUPPORT="true",
    )


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(firestore_emulator: str, project: str, tmp_path: Path, method: str) -> None:
    program = PRELUDE + textwrap.dedent(
        f"""
        ctx = Cendry(project=project)

        def work(number):
            try:
                use(ctx, str(number))
            except UsedBeforeForkError:
                return "refused"
            return "works"

        if __name__ == "__main__":
            context = multiprocessing.get_context({method!r})
            with context.Pool(2) as pool:
                assert pool.map(work, range(6)) == ["works"] * 6
            assert count(ctx) == 6
            with context.Pool(2) as pool:
                assert set(pool.map(work, range(6))) == {{"refused" if {method!r} == "fork" else "works"}}
            use(ctx)
        """
    )
    assert python(script(tmp_path / "workers.py", program), project) == ""


# The same in this process, which is no child: what its backends do after a fork.


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    def refused() -> Any:
        monkeypatch.setattr(grpc, "_used_in", os.getppid())
        return pytest.raises(UsedBeforeForkError, match=rf"Firestore was used in process {os.getppid()}.*Fork before")

    return refused


def test_what_a_backend_does_in_a_child(backend: FirestoreBackend, refused: Callable[[], Any]) -> None:
    backend.commit([Set(f"items/{number}", {"n": number}) for number in range(3)])
    rows, later = backend.run(QueryPlan("items")), backend.get(GetPlan(("items/0",)))
    next(rows)
    kept: list[ListenResult] = []
    listener = backend.listen(QueryPlan("items"), kept.append, print)
    while not kept:
        time.sleep(0.01)
    call = listener._call
    backend.after_fork()
    call.cancel()
    listener.close()
    assert not listener._thread.is_alive()
    for use in (
        lambda: next(rows),
        lambda: next(later),
        lambda: next(backend.get(GetPlan(("items/0",)))),
        lambda: backend.commit([Set("items/a", {})]),
        lambda: backend.encoder(codec_for(Item, default_registry)),
    ):
        with refused():
            use()


async def test_what_an_async_backend_does_in_a_child(
    firestore_emulator: str, project: str, refused: Callable[[], Any]
) -> None:
    backend = AsyncFirestoreBackend(project=project)
    await backend.commit([Set(f"items/{number}", {"n": number}) for number in range(3)])
    rows, later = aiter(backend.run(QueryPlan("items"))), aiter(backend.get(GetPlan(("items/0",))))
    await anext(rows)
    [connection] = backend._opened.values()
    backend.after_fork()
    with refused():
        await anext(rows)
    with refused():
        await anext(later)
    with refused():
        await backend.commit([Set("items/a", {})])
    with ThreadPoolExecutor(1) as pool, refused():
        pool.submit(lambda: backend.client).result()
    await backend.close()
    await connection.close_async()


def test_a_client_that_was_used_counts(firestore_emulator: str, project: str, refused: Callable[[], Any]) -> None:
    client = Client(project=project)
    FirestoreBackend(client).after_fork()
    assert client not in _fork.kept
    list(client.collection("items").stream())
    FirestoreBackend(client).after_fork()
    assert client is _fork.kept[-1]
