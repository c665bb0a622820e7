"""A commit whose answer gets lost: it happened, nobody was told so, and by default it is sent again.

Whatever is raised then, it must not say that nothing was written.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from cendry import Field, Increment, Model, OutcomeUnknownError, field
from google.api_core import exceptions
from soak.promises import AMBIGUOUS_COMMITS_ARE_TOLD
from soak.proxy import Proxy
from soak.work import MAX_ATTEMPTS, Manner

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


def create(ctx: Any, lose: Callable[[], Any]) -> None:
    doc = Doc(number=1)
    lose()
    try:
        ctx.create(doc)
    finally:
        # The id stays, so that a second attempt of the user's makes no second document.
        assert doc.id is not None


def save_if_unchanged(ctx: Any, lose: Callable[[], Any]) -> None:
    doc = Doc(id="a")
    ctx.save(doc)
    doc.number = 1
    lose()
    ctx.save(doc, if_unchanged=True)


def update_if_unchanged(ctx: Any, lose: Callable[[], Any]) -> None:
    doc = Doc(id="a")
    ctx.save(doc)
    lose()
    ctx.update(doc, {Doc.number: 1}, if_unchanged=True)


def batch(ctx: Any, lose: Callable[[], Any]) -> None:
    one = ctx.batch()
    one.save(Doc(id="b", number=5))
    one.create(Doc(id="a", number=1))
    lose()
    one.commit()


def delete_that_must_exist(ctx: Any, lose: Callable[[], Any]) -> None:
    ctx.save_many([Doc(id="a", number=1), Doc(id="b")])
    lose()
    ctx.delete(Doc, "b", must_exist=True)


def transaction(ctx: Any, lose: Callable[[], Any]) -> None:
    calls = []

    def body(txn: Any) -> None:
        calls.append(1)
        found = txn.find(Doc, "a")
        txn.save(Doc(id="a", number=1 if found is None else found.number + 1))
        if len(calls) == 1:
            lose()

    try:
        ctx.transaction(body, max_attempts=MAX_ATTEMPTS)
    finally:
        assert [1] == calls


def save(ctx: Any, lose: Callable[[], Any]) -> None:
    doc = Doc(number=1)
    lose()
    ctx.save(doc)


def save_many(ctx: Any, lose: Callable[[], Any]) -> None:
    docs = [Doc(number=1), Doc(number=5), Doc(number=6)]
    lose()
    ctx.save_many(docs)


GUARDED = {
    one.__name__: one
    for one in (create, save_if_unchanged, update_if_unchanged, batch, delete_that_must_exist, transaction)
}
PLAIN = {one.__name__: one for one in (save, save_many)}


def numbers(ctx: Any) -> list[int]:
    return sorted(doc.number for doc in ctx.select(Doc).to_list())


@pytest.mark.parametrize("write", [*GUARDED.values(), *PLAIN.values()], ids=[*GUARDED, *PLAIN])
def test_a_write_that_is_sent_once_tells_that_its_connection_broke(
    make: Callable[[Manner], Any], proxy: Proxy, write: Any
) -> None:
    ctx = make(SENT_ONCE)
    with pytest.raises(OutcomeUnknownError) as caught:
        write(ctx, lambda: proxy.lose_answers(0.0))
    assert isinstance(caught.value.__cause__, exceptions.ServiceUnavailable)
    assert 1 in numbers(make(SENT_AGAIN["bounded"]))


@pytest.mark.parametrize("manner", SENT_AGAIN.values(), ids=SENT_AGAIN)
@pytest.mark.parametrize("write", PLAIN.values(), ids=PLAIN)
def test_a_write_that_may_be_repeated_is_sent_again_and_written_once(
    make: Callable[[Manner], Any], proxy: Proxy, write: Any, manner: Manner
) -> None:
    ctx = make(manner)
    write(ctx, lambda: proxy.lose_answers(0.0))
    assert [1] == numbers(ctx)[:1]
    assert len(numbers(ctx)) == (1 if write is save else 3)


@not_told_yet
@pytest.mark.parametrize("manner", SENT_AGAIN.values(), ids=SENT_AGAIN)
@pytest.mark.parametrize("write", GUARDED.values(), ids=GUARDED)
def test_a_write_never_reports_its_own_success_as_a_refusal(
    make: Callable[[Manner], Any], proxy: Proxy, write: Any, manner: Manner
) -> None:
    ctx = make(manner)
    with pytest.raises(OutcomeUnknownError):
        write(ctx, lambda: proxy.lose_answers(0.0))
    assert 1 in numbers(ctx)


@pytest.mark.parametrize("manner", [*SENT_AGAIN.values(), SENT_ONCE], ids=[*SENT_AGAIN, "once"])
def test_an_increment_outside_a_transaction_counts_once(
    make: Callable[[Manner], Any], proxy: Proxy, manner: Manner
) -> None:
    """Nothing tells the server that it is the same increment, so it is sent once."""
    ctx = make(manner)
    ctx.save(Doc(id="a"))
    proxy.lose_answers(0.0)
    with pytest.raises(OutcomeUnknownError):
        ctx.update(Doc, "a", {Doc.number: Increment(1)})
    # The broken connection may not have been noticed yet by who sends nothing again.
    assert [1] == numbers(make(SENT_AGAIN["bounded"]))
