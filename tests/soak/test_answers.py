"""A read whose answer is cut after it has begun, before there is anything in it, is sent again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from cendry import Field, Model, field
from soak.promises import ASYNC_COUNTS_ARE_SENT_AGAIN
from soak.proxy import Proxy
from soak.work import Face, Manner, settle

pytestmark = pytest.mark.slow


class Doc(Model, collection="docs"):
    number: Field[int] = field(default=0)


MANNERS = {"bounded": Manner("bounded", 20.0), "default": Manner("default", None)}
READS: dict[str, Callable[[Face], Any]] = {
    "get": lambda face: face.ctx.get(Doc, "a"),
    "get_many": lambda face: face.ctx.get_many(Doc, ["a", "b"]),
    "to_list": lambda face: face.ctx.select(Doc).to_list(),
    "count": lambda face: face.ctx.select(Doc).count(),
}


@pytest.mark.parametrize("manner", MANNERS.values(), ids=MANNERS)
@pytest.mark.parametrize("read", READS.values(), ids=READS)
async def test_it_is_sent_again(
    make_face: Any, proxy: Proxy, read: Any, manner: Manner, request: pytest.FixtureRequest
) -> None:
    face = await make_face(manner)
    if read is READS["count"] and face.is_async and not ASYNC_COUNTS_ARE_SENT_AGAIN:
        request.applymarker(
            pytest.mark.xfail(
                reason="a count of the async twin is not sent again once its answer has begun", strict=True
            )
        )
    await settle(face.ctx.save_many([Doc(id="a", number=1), Doc(id="b", number=2)]))
    whole = await settle(read(face))
    # Long enough that it has certainly begun.
    cut = proxy.cut_in_stream(1, silence=0.2)
    assert whole == await settle(read(face))
    assert cut.done.is_set()
