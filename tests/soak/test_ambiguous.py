"""A commit whose answer gets lost: it happened, nobody was told so, and by default it is sent again.

Whatever is raised then, it must not say that nothing was written.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from cendry import Field, Increment, Model, field
from google.api_core import exceptions
from soak.promises import AMBIGUOUS_COMMITS_ARE_TOLD
from soak.proxy import Proxy
from soak.work import UNKNOWN, Face, Manner, settle

pytestmark = pytest.mark.slow

SENT_AGAIN = {"bounded": Manner("bounded", 20.0), "default": Manner("default", None)}
SENT_ONCE = Manner("once", 20.0, retries=False)

not_told_yet = pytest.mark.xfail(
    not AMBIGUOUS_COMMITS_ARE_TOLD,
    reason="a commit that was sent again and met its own success is still told as a refusal",
    strict=True,
)


class Doc(Model, collection="docs"):
    number: Field[int] = field(default=0)


async def create(face: Face, lose: Callable[[], Any]) -> None:
    doc = Doc(number=1)
    lose()
    try:
        await settle(face.ctx.create(doc))
    finally:
        # The id stays, so that a second attempt of the user's makes no second document.
        assert doc.id is not None


async def save_if_unchanged(face: Face, lose: Callable[[], Any]) -> None:
    doc = Doc(id="a")
    await settle(face.ctx.save(doc))
    doc.number = 1
    lose()
    await settle(face.ctx.save(doc, if_unchanged=True))


async def update_if_unchanged(face: Face, lose: Callable[[], Any]) -> None:
    doc = Doc(id="a")
    await settle(face.ctx.save(doc))
    lose()
    await settle(face.ctx.update(doc, {Doc.number: 1}, if_unchanged=True))


async def batch(face: Face, lose: Callable[[], Any]) -> None:
    one = face.ctx.batch()
    one.save(Doc(id="b", number=5))
    one.create(Doc(id="a", number=1))
    lose()
    await settle(one.commit())


async def delete_that_must_exist(face: Face, lose: Callable[[], Any]) -> None:
    await settle(face.ctx.save_many([Doc(id="a", number=1), Doc(id="b")]))
    lose()
    await settle(face.ctx.delete(Doc, "b", must_exist=True))


async def transaction(face: Face, lose: Callable[[], Any]) -> None:
    calls = []

    async def body(txn: Any) -> None:
        calls.append(1)
        found = await settle(txn.find(Doc, "a"))
        txn.save(Doc(id="a", number=1 if found is None else found.number + 1))
        if len(calls) == 1:
            lose()

    try:
        await face.transaction(body)
    finally:
        assert [1] == calls


async def save(face: Face, lose: Callable[[], Any]) -> None:
    doc = Doc(number=1)
    lose()
    await settle(face.ctx.save(doc))


async def save_many(face: Face, lose: Callable[[], Any]) -> None:
    docs = [Doc(number=1), Doc(number=5), Doc(number=6)]
    lose()
    await settle(face.ctx.save_many(docs))


GUARDED = {
    one.__name__: one
    for one in (create, save_if_unchanged, update_if_unchanged, batch, delete_that_must_exist, transaction)
}
PLAIN = {one.__name__: one for one in (save, save_many)}


async def numbers(face: Face) -> list[int]:
    return sorted(doc.number for doc in await settle(face.ctx.select(Doc).to_list()))


@pytest.mark.parametrize("write", [*GUARDED.values(), *PLAIN.values()], ids=[*GUARDED, *PLAIN])
async def test_a_write_that_is_sent_once_tells_that_its_connection_broke(
    make_face: Any, proxy: Proxy, write: Any
) -> None:
    face = await make_face(SENT_ONCE)
    with pytest.raises(exceptions.ServiceUnavailable):
        await write(face, lambda: proxy.lose_answers(0.0))
    assert 1 in await numbers(await make_face(SENT_AGAIN["bounded"]))


@pytest.mark.parametrize("manner", SENT_AGAIN.values(), ids=SENT_AGAIN)
@pytest.mark.parametrize("write", PLAIN.values(), ids=PLAIN)
async def test_a_write_that_may_be_repeated_is_sent_again_and_written_once(
    make_face: Any, proxy: Proxy, write: Any, manner: Manner
) -> None:
    face = await make_face(manner)
    await write(face, lambda: proxy.lose_answers(0.0))
    assert [1] == (await numbers(face))[:1]
    assert len(await numbers(face)) == (1 if write is save else 3)


@not_told_yet
@pytest.mark.parametrize("manner", SENT_AGAIN.values(), ids=SENT_AGAIN)
@pytest.mark.parametrize("write", GUARDED.values(), ids=GUARDED)
async def test_a_write_never_reports_its_own_success_as_a_refusal(
    make_face: Any, proxy: Proxy, write: Any, manner: Manner
) -> None:
    face = await make_face(manner)
    with pytest.raises(UNKNOWN):
        await write(face, lambda: proxy.lose_answers(0.0))
    assert 1 in await numbers(face)


async def test_an_increment_outside_a_transaction_may_count_twice(make_face: Any, proxy: Proxy) -> None:
    """No fault, but why the soak counts in transactions: nothing tells the server that it is the same increment."""
    face = await make_face(SENT_AGAIN["bounded"])
    await settle(face.ctx.save(Doc(id="a")))
    proxy.lose_answers(0.0)
    await settle(face.ctx.update(Doc, "a", {Doc.number: Increment(1)}))
    assert await numbers(face) in ([1], [2])
