"""Page tokens from outside: a page of their own query, or one typed error, and nothing of it unpickled or run."""

from __future__ import annotations

import base64
from typing import Any

from cendry import Cendry, Field, InvalidPageTokenError, MemoryBackend, Model, Query, default_registry, field
from cendry._query.builders import spec_of
from cendry._query.compile import compiled
from cendry._query.tokens import digest_of
from fuzz.fuzzing import cpu_limit, fuzz, hostile_text
from hypothesis import strategies as st

SECONDS = 2.0


class Place(Model, collection="places"):
    rank: Field[Any] = field(default=None)


QUERY = Query(Place, order_by=Place.rank, start_at={"rank": 1})
DIGEST = digest_of(compiled(spec_of(QUERY), default_registry, complete=True).plan, from_last=False)


def places(token_key: str | None = None) -> Any:
    ctx = Cendry(backend=MemoryBackend(), token_key=token_key)
    ctx.save_many([Place(id=name, rank=number // 2) for number, name in enumerate("abcdef")])
    return ctx.select(QUERY)


OPEN, SIGNED = places(), places("key")
LEGAL = frozenset("cdef")
TOKENS = [*(OPEN.page(size).next_token for size in (1, 2, 3)), *(SIGNED.page(size).next_token for size in (1, 2, 3))]
END = b"\x08\x08places/d"


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def check(query: Any, token: Any) -> None:
    with cpu_limit(SECONDS):
        for name in ("after", "before"):
            try:
                page = query.page(9, **{name: token})
            except InvalidPageTokenError:
                continue
            assert LEGAL.issuperset(place.id for place in page)


@fuzz(st.sampled_from(TOKENS), st.lists(st.tuples(st.integers(0, 120), st.integers(0, 2), hostile_text), max_size=3))
def test_changed_tokens(token: str, changes: list[tuple[int, int, str]]) -> None:
    for at, removed, text in changes:
        token = token[:at] + text + token[at + removed :]
    check(OPEN, token)
    check(SIGNED, token)


@fuzz(st.sampled_from(TOKENS), st.integers(0, 60), st.integers(1, 255))
def test_flipped_bits(token: str, at: int, bits: int) -> None:
    data = bytearray(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    data[at % len(data)] ^= bits
    check(OPEN, encoded(bytes(data)))
    try:
        SIGNED.page(9, after=encoded(bytes(data)))
    except InvalidPageTokenError:
        return
    raise AssertionError("a signed token was changed")


@fuzz(st.integers(0, 15), st.binary(max_size=40), st.sampled_from([b"", END, END + b"\x03\x02" + END]))
def test_made_up_tokens(flags: int, values: bytes, end: bytes) -> None:
    check(OPEN, encoded(bytes((1, flags)) + DIGEST + b"\x01" + values + end))


@fuzz(st.one_of(hostile_text, st.binary(max_size=80).map(encoded), st.binary(max_size=9), st.integers(), st.just([])))
def test_what_is_no_token(token: Any) -> None:
    check(OPEN, token)
    check(SIGNED, token)
