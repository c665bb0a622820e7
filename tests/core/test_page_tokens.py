from __future__ import annotations

import asyncio
import base64
import math
import pickle
import random
import subprocess
import sys
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from cendry import (
    AsyncCendry,
    AsyncMemoryBackend,
    Cendry,
    CendryError,
    DecodeError,
    Field,
    FieldPath,
    GeoPoint,
    InvalidPageTokenError,
    InvalidRequestError,
    MemoryBackend,
    MissingIndexError,
    Model,
    Page,
    Query,
    Ref,
    UnsupportedByBackendError,
    Vector,
    default_registry,
    field,
)
from cendry._query import tokens
from cendry._query.builders import spec_of
from cendry._query.compile import compiled, turned
from cendry._query.pages import _is_inside
from cendry._query.tokens import Position, digest_of, position_of, token_of
from cendry.paths import DOCUMENT_ID
from cendry.plan import Bound, Order, QueryPlan, Set
from hypothesis import given, settings
from hypothesis import strategies as st

OF_0_6 = "AQBsvR3t59QFJovFqiaaD32QAwMCCAhwbGFjZXMvYg"
"""A token that 0.6.0 made for `by_rank` after the place `b` of rank 1: it has to be readable for ever."""


class Place(Model, collection="places"):
    rank: Field[int]
    note: Field[Any] = field(default=None)
    secret: Field[str] = field(default="", repr=False)


class Plain(Model, collection="plain"):
    rank: Field[int]


by_rank = Query(Place, order_by=Place.rank)


@pytest.fixture
def ctx() -> Any:
    with Cendry(backend=MemoryBackend()) as found:
        found.save_many([Place(id=name, rank=number // 2) for number, name in enumerate("abcdefg")])
        yield found


def ids(page: Any) -> str:
    return "".join(place.id for place in page)


def digest(query: Query[Any] = by_rank) -> bytes:
    found = compiled(spec_of(query), default_registry, complete=True)
    return digest_of(turned(found.plan) if found.backwards else found.plan, found.backwards)


def made(position: Position, query: Query[Any] = by_rank) -> str:
    return token_of(position, digest(query), ())


def place(rank: Any, name: str = "b", *, before: bool = False) -> Position:
    return Position(1, Bound((rank, Ref(Place, name)), before))


# Pages


def test_a_page_is_iterable_and_sized(ctx: Any) -> None:
    page = ctx.select(by_rank).page(2)
    assert isinstance(page, Page)
    assert (2, "ab", page.items) == (len(page), ids(page), list(page))
    assert Page([1]) == Page([1], None, None)
    assert "Page(items=[1], next_token='x', previous_token=None)" == repr(Page([1], "x"))
    assert page.next_token is not None
    assert page.next_token.replace("-", "a").replace("_", "a").isalnum()


def test_nothing_follows_exactly_at_the_end(ctx: Any) -> None:
    query = ctx.select(by_rank)
    assert (None, None) == (query.page(7).next_token, query.page(8).next_token)
    assert ids(query.page(9, after=query.page(6).next_token)) == "g"


def test_tokens_fit_either_argument_and_other_sizes_limits_and_fields(ctx: Any) -> None:
    query = ctx.select(by_rank)
    second = query.page(2, after=query.page(2).next_token)
    assert "cdefg" == ids(query.page(9, after=second.previous_token))
    assert "abcd" == ids(query.page(9, before=second.next_token))
    rows = query.limit(3).values(Place.id, flat=True)
    assert ["c"] == rows.page(9, after=second.previous_token).items


def test_the_limit_counts_from_the_start_of_the_walk(ctx: Any) -> None:
    query = ctx.select(by_rank).limit(4)
    first = query.page(3)
    second = query.page(3, after=first.next_token)
    assert ("abc", "d", None) == (ids(first), ids(second), second.next_token)
    back = query.page(2, before=second.previous_token)
    assert ("bc", "d") == (ids(back), ids(query.page(3, after=back.next_token)))
    assert "a" == ids(query.page(2, before=back.previous_token))
    # A smaller limit is reached already, and nothing is read then.
    done = ctx.select(by_rank).limit(2).page(3, after=first.next_token)
    assert ([], None) == (done.items, done.next_token)
    assert "abc" == ids(query.page(3, before=done.previous_token))
    all_four = query.page(4, before=second.next_token or query.page(3).next_token)
    assert "abc" == ids(all_four)
    assert ctx.select(by_rank).limit(3).page(3, before=first.next_token).next_token is None


def test_pages_back_stop_where_an_offset_or_the_last_documents_begin(ctx: Any) -> None:
    for query, expected in (
        (ctx.select(by_rank).offset(2), ["cde", "fg", "de", "c"]),
        (ctx.select(by_rank).limit_to_last(5), ["cde", "fg", "de", "c"]),
    ):
        first = query.page(3)
        second = query.page(3, after=first.next_token)
        ctx.save(Place(id="0", rank=0))
        back = query.page(2, before=second.previous_token)
        start = query.page(2, before=back.previous_token)
        assert expected == [*map(ids, (first, second, back, start))]
        assert start.previous_token is None
        ctx.delete(Place, "0")
    assert ctx.select(by_rank).offset(9).page(2) == Page([])


def test_a_page_of_documents_that_are_gone_leads_back_and_on(ctx: Any) -> None:
    query = ctx.select(by_rank)
    second = query.page(3, after=query.page(3).next_token)
    ctx.delete_many(Place, ["a", "b", "c", "g"])
    empty = query.page(3, after=second.next_token)
    assert (0, None) == (len(empty), empty.next_token)
    assert "def" == ids(query.page(3, before=empty.previous_token))
    empty = query.page(3, before=second.previous_token)
    assert (0, None) == (len(empty), empty.previous_token)
    assert "def" == ids(query.page(9, after=empty.next_token))


def test_more_documents_before_than_the_token_counted(ctx: Any) -> None:
    query = ctx.select(by_rank)
    second = query.page(1, after=query.page(1).next_token)
    ctx.save_many([Place(id=f"0{n}", rank=-1) for n in range(3)])
    back = query.page(1, before=second.previous_token)
    assert "a" == ids(back)
    back = query.page(2, before=back.previous_token)
    assert ["01", "02"] == [one.id for one in back]
    assert ["00"] == [one.id for one in query.page(2, before=back.previous_token)]


def test_documents_that_do_not_fit_are_reported_or_raise() -> None:
    backend = MemoryBackend()
    backend.commit([Set("places/a", {"rank": "x"}), Set("places/b", {"rank": "y"}), Set("places/c", {"rank": "z"})])
    errors: list[DecodeError] = []
    query = Cendry(backend=backend).select(by_rank)
    with pytest.raises(DecodeError, match="places/a"):
        query.page(2)
    page = query.on_error(errors.append).page(2)
    assert ([], 2) == (page.items, len(errors))
    assert page.next_token


def test_both_twins_take_each_others_tokens(ctx: Any) -> None:
    async def run() -> None:
        async with AsyncCendry(backend=AsyncMemoryBackend()) as actx:
            await actx.save_many([Place(id=name, rank=number // 2) for number, name in enumerate("abcdefg")])
            query = actx.select(by_rank)
            first = await query.page(2)
            assert first.next_token == ctx.select(by_rank).page(2).next_token
            assert "cd" == ids(await query.page(2, after=ctx.select(by_rank).page(2).next_token))
            rows = await query.values(Place.rank, flat=True).page(2, after=first.next_token)
            assert [1, 1] == rows.items
            done = await query.limit(2).page(2, after=first.next_token)
            assert ([], None) == (done.items, done.next_token)

    asyncio.run(run())


# Refusals


@pytest.mark.parametrize("size", [0, -1, 10_001, 10**30])
def test_sizes_out_of_range(ctx: Any, size: int) -> None:
    with pytest.raises(InvalidRequestError, match="1 to 10000 results"):
        ctx.select(by_rank).page(size)


@pytest.mark.parametrize("size", [True, "3", 3.0, None])
def test_sizes_are_ints(ctx: Any, size: Any) -> None:
    with pytest.raises(TypeError, match="int"):
        ctx.select(by_rank).page(size)


def test_one_token_at_a_time(ctx: Any) -> None:
    token = ctx.select(by_rank).page(2).next_token
    with pytest.raises(InvalidPageTokenError, match="not both"):
        ctx.select(by_rank).page(2, after=token, before=token)


def test_hidden_fields_are_not_put_into_tokens(ctx: Any) -> None:
    for query in (
        ctx.select(Place, order_by=Place.secret),
        ctx.select(Place, Place.secret > "a"),
        ctx.select(Place, order_by=FieldPath("secret")),
    ):
        with pytest.raises(CendryError, match="repr=False"):
            query.page(2)
    assert len(ctx.select(Place, Place.secret == "", order_by=Place.rank).page(2)) == 2
    ctx.save(Plain(rank=1))
    assert len(ctx.select(Plain, order_by=Plain.rank).page(2)) == 1


def test_by_id_alone_there_is_no_way_back(ctx: Any) -> None:
    every = ctx.select(Place)
    for query in (every, every.filter(Place.id > "a", Place.id < "z"), every.order_by("id")):
        first = query.page(2)
        second = query.page(2, after=first.next_token)
        assert second.previous_token is None
        with pytest.raises(MissingIndexError):
            query.page(2, before=first.next_token)
    query = ctx.select(Place, Place.note == None)  # noqa: E711
    assert "ab" == ids(query.page(2, before=query.page(2).next_token))


OTHERS = {
    "collection": Query(type("Other", (Place,), {}, collection="others"), order_by="rank"),
    "filter": by_rank.filter(Place.note == 1),
    "value": by_rank.filter(Place.note == 2),
    "or": by_rank.filter((Place.note == 1) | (Place.note == 2)),
    "order": Query(Place, order_by=Place.rank.desc()),
    "orders": by_rank.order_by(Place.note),
    "start": by_rank.start_at({"rank": 0}),
    "after": by_rank.start_after({"rank": 0}),
    "end": by_rank.end_at({"rank": 9}),
    "last": by_rank.limit_to_last(5),
    "parent": by_rank.under(Ref(Place, "x")),
    "group": Query(Place, order_by=Place.rank, group=True),
    "moment": by_rank.at(datetime(2026, 1, 1, tzinfo=timezone.utc)),
}


def test_digests_differ_where_queries_do() -> None:
    assert len({digest(), *map(digest, OTHERS.values())}) == len(OTHERS) + 1
    same = by_rank.limit(3).offset(2)
    assert digest(same) == digest()
    two = by_rank.filter(Place.note == 1, Place.id > "a")
    assert digest(two) == digest(by_rank.filter(Place.id > "a", Place.note == 1))


class Moment(datetime):
    """A subclass, as Google's libraries have one."""


def test_the_moment_counts_and_not_how_it_is_written() -> None:
    moment = Moment(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    assert digest(by_rank.at(moment)) == digest(OTHERS["moment"])
    assert digest(by_rank.at(moment + timedelta(microseconds=1))) != digest(OTHERS["moment"])


def test_digests_are_the_same_in_every_process() -> None:
    code = (
        "import sys; sys.path[:0] = ['tests']; from core.test_page_tokens import digest, OTHERS;"
        "print(''.join(digest(one).hex() for one in OTHERS.values()))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(sys.path), "PYTHONHASHSEED": "7"},
    )
    assert found.stdout.strip() == "".join(digest(one).hex() for one in OTHERS.values())


@pytest.mark.parametrize("name", OTHERS)
def test_tokens_of_other_queries(ctx: Any, name: str) -> None:
    with pytest.raises(InvalidPageTokenError, match="another query") as caught:
        ctx.select(by_rank).page(2, after=made(place(1), OTHERS[name]))
    assert 422 == caught.value.http_status


def test_a_token_of_today_stays_readable(ctx: Any) -> None:
    assert OF_0_6 == made(Position(3, Bound((1, Ref(Place, "b")), before=False)))
    assert "cdefg" == ids(ctx.select(by_rank).page(9, after=OF_0_6))


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (5, "not text"),
        (b"AQ", "not text"),
        ("", "not one that Cendry made"),
        ("é" * 40, "not one that Cendry made"),
        ("\ud800", "not one that Cendry made"),
        (OF_0_6 + "=", "not one that Cendry made"),
        (OF_0_6[:12] + "\n" + OF_0_6[12:], "not one that Cendry made"),
        (OF_0_6[:20], "not one that Cendry made"),
        ("A" * 65_537, "65537 characters"),
        ("Ag" + OF_0_6[2:], "another version"),
        (OF_0_6[:-3], "not a position"),
        (OF_0_6 + "AAAA", "not a position"),
    ],
)
def test_damaged_tokens(ctx: Any, token: Any, reason: str) -> None:
    with pytest.raises(InvalidPageTokenError, match=reason):
        ctx.select(by_rank).page(2, after=token)


def test_places_outside_of_the_query_are_refused(ctx: Any) -> None:
    inner = by_rank.start_at({"rank": 1}).end_before({"rank": 3})
    query = ctx.select(inner)
    assert "def" == ids(query.page(9, after=made(place(1, "c"), inner)))
    for values in ((0, "a"), (3, "g"), (9, "z")):
        with pytest.raises(InvalidPageTokenError, match="outside"):
            query.page(9, after=made(place(*values), inner))
    outer = by_rank.start_after({"rank": 1}).end_at({"rank": 2})
    for values in ((1, "d"), (3, "g")):
        with pytest.raises(InvalidPageTokenError, match="outside"):
            ctx.select(outer).page(9, before=made(place(*values), outer))
    for wrong in (5, Ref.from_path("others/b"), Ref.from_path("places/b/places/c")):
        with pytest.raises(InvalidPageTokenError, match="outside"):
            ctx.select(by_rank).page(9, after=made(Position(1, Bound((1, wrong), before=False))))
    group = Query(Place, group=True, parent=Ref(Place, "b"))
    with pytest.raises(InvalidPageTokenError, match="outside"):
        ctx.select(group).page(9, after=made(Position(1, Bound((Ref(Place, "c"),), before=False)), group))
    below = Ref.from_path("places/b/places/c")
    assert Page([]) == ctx.select(group).page(9, after=made(Position(0, Bound((below,), before=False)), group))
    last = by_rank.limit_to_last(2)
    with pytest.raises(InvalidPageTokenError, match="last documents begin"):
        ctx.select(last).page(9, before=made(place(1), last))


# Signatures


def signed(key: Any) -> Any:
    ctx = Cendry(backend=MemoryBackend(), token_key=key)
    ctx.save_many([Place(id=name, rank=1) for name in "abc"])
    return ctx.select(by_rank)


def test_signed_tokens() -> None:
    token = signed("one").page(2).next_token
    for keys in ("one", b"one", ["one"], ("new", "one")):
        assert "c" == ids(signed(keys).page(2, after=token))
    # A context without a key can't check the signature.
    assert "c" == ids(signed(None).page(2, after=token))
    for keys in ("two", ["two", "new"]):
        with pytest.raises(InvalidPageTokenError, match="another key"):
            signed(keys).page(2, after=token)
    with pytest.raises(InvalidPageTokenError, match="not signed"):
        signed("one").page(2, after=signed(None).page(2).next_token)
    with pytest.raises(InvalidPageTokenError, match=r"changed|not one"):
        signed("one").page(2, after=token[:30] + ("B" if token[30] == "A" else "A") + token[31:])
    assert signed(["new", "one"]).page(2).next_token == signed("new").page(2).next_token != token


@pytest.mark.parametrize(
    ("key", "error"), [("", ValueError), ([], ValueError), (["a", b""], ValueError), (5, TypeError), ([5], TypeError)]
)
def test_keys_are_checked(key: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="token_key="):
        Cendry(backend=MemoryBackend(), token_key=key)


def test_keys_are_not_shown() -> None:
    ctx = Cendry(backend=MemoryBackend(), token_key="hidden key")
    assert "hidden key" not in repr(ctx._sender.settings)
    with pytest.raises(TypeError) as caught:
        Cendry(backend=MemoryBackend(), token_key={"hidden key"})  # type: ignore[arg-type]
    assert "hidden key" not in str(caught.value)


# Values


VALUES = [
    *(None, True, False, 0, -1, 127, 128, -(2**63), 2**63 - 1, 0.0, -0.0, 1.5, math.inf),
    *("", "é😀", "a" * 300, b"", b"\0", math.nan),
    *(datetime(1, 1, 1, tzinfo=timezone.utc), datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=timezone.utc)),
    *(GeoPoint(1.5, -180.0), Vector([0.5, -1.0]), [], [1, None, {"a": [1]}]),
    *({}, {"a": Ref.from_path("places/b"), "b": {"c": "d"}}),
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_every_value_can_be_a_place(value: Any) -> None:
    token = made(place(value))
    found = position_of(token, digest(), (), 2, cursors=False)
    assert found.cut is not None
    assert repr(value) == repr(found.cut.values[0])
    assert token == made(found)


def test_a_value_that_no_token_can_hold_names_the_document() -> None:
    backend = MemoryBackend()
    backend.commit([Set(f"places/{name}", {"rank": 1, "note": name * 60_000}) for name in "ab"])
    query = Cendry(backend=backend).select(Place, order_by=Place.note)
    with pytest.raises(DecodeError, match="places/a.*page token.*65536 characters"):
        query.page(1)
    for value in (object(), Ref.from_path("a/b", database="projects/p/databases/d")):
        with pytest.raises(TypeError):
            made(place(value))


def packed(*pieces: bytes, flags: int = 0, orders: int = 2) -> str:
    data = bytes((1, flags)) + digest() + b"\x01" + b"".join(pieces)
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


HOSTILE = [
    b"\x0d",
    b"\x0b\0",
    b"\x0b\xff\xff\x03",
    b"\x0a\x01\x0a\0",
    b"\x0a\x01\x0b\x01" + bytes(8),
    b"\x0c\x01\0\0",
    b"\x0c\x01\x07__a__x\0",
    b"\x0c\x02\x01b\0\x01a\0",
    b"\x0c\x02\x01a\0\x01a\0",
    b"\x0c\x01\x01a" * 30 + b"\0",
    b"\x03" + b"\xff" * 9 + b"\x7f",
    b"\x03" + b"\xff" * 12,
    b"\x03\x80\0",
    b"\x05" + b"\xff" * 8 + b"\x7f",
    b"\x06\x01\xff",
    b"\x06\x7fa",
    b"\x08\x01a",
    b"\x08\x05a/b/c",
    b"\x09" + b"\x7f" * 16,
    b"\x0a\xff\xff\xff\xff\x0f",
]


@pytest.mark.parametrize("value", HOSTILE, ids=repr)
def test_what_is_not_a_stored_value_is_refused(ctx: Any, value: bytes) -> None:
    end = b"\x08\x08places/b"
    assert "bcdefg" == ids(ctx.select(by_rank).page(9, after=packed(b"\x03\0", end, flags=2)))
    with pytest.raises(InvalidPageTokenError, match="not a position"):
        ctx.select(by_rank).page(9, after=packed(value, end))


def test_unknown_flags_and_cursors_of_another_database_are_refused(ctx: Any) -> None:
    end = b"\x08\x08places/b"
    for flags in (8, 16, 128):
        with pytest.raises(InvalidPageTokenError, match="not a position"):
            ctx.select(by_rank).page(9, after=packed(b"\x03\0", end, flags=flags))
    too_many = made(place(1))
    assert tokens.MAX_LENGTH > len(too_many)
    data = bytes((1, 0)) + digest() + b"\xff" * 9 + b"\x01" + b"\x03\0" + end
    with pytest.raises(InvalidPageTokenError, match="not a position"):
        ctx.select(by_rank).page(9, after=base64.urlsafe_b64encode(data).rstrip(b"=").decode())


# Databases with cursors of their own


class Resuming(MemoryBackend):
    has_cursors = True

    def run(self, plan: Any, **options: Any) -> Any:
        if plan.resume is not None and plan.resume[:1] != b"c":
            raise InvalidRequestError("this is no cursor.")
        skipped = -1 if plan.resume is None else int(plan.resume[1:])
        results = list(super().run(replace(plan, resume=None, limit=None), **options))
        for number, result in list(enumerate(results))[skipped + 1 :][: plan.limit]:
            yield Resumable(result, b"c%d" % number)


class Resumable:
    def __init__(self, result: Any, cursor: bytes) -> None:
        self.path, self.data, self.cursor = result.path, result.data, cursor
        self.create_time = self.update_time = self.read_time = None

    @classmethod
    def reader(cls, codec: Any) -> Any:
        return lambda result: codec.decode(result.data, result.path.rpartition("/")[2], result.path)


def test_cursors_of_the_database(ctx: Any) -> None:
    backend = Resuming()
    with Cendry(backend=backend) as other:
        other.save_many([Place(id=name, rank=1) for name in "abcde"])
        query = other.select(by_rank)
        first = query.page(2)
        second = query.page(9, after=first.next_token)
        assert ["ab", "cd", "e"] == [ids(page) for page in query.paginate(2)]
        assert ("cde", None, None) == (ids(second), second.next_token, second.previous_token)
        with pytest.raises(UnsupportedByBackendError, match=r"page\(before=\)"):
            query.page(2, before=first.next_token)
        with pytest.raises(UnsupportedByBackendError, match="limit_to_last"):
            query.limit_to_last(2).page(2)
        for token in (made(Position(1, cursor=b"x")), made(Position(1, cursor=b"")), made(place(1))):
            with pytest.raises(InvalidPageTokenError):
                query.page(2, after=token)
    with pytest.raises(InvalidPageTokenError):
        ctx.select(by_rank).page(2, after=first.next_token)


class AsyncResuming(AsyncMemoryBackend):
    has_cursors = True

    async def run(self, plan: Any, **options: Any) -> Any:
        if plan.resume is not None:
            raise InvalidRequestError("this is no cursor.")
        async for result in super().run(plan, **options):
            yield result


def test_a_cursor_that_the_database_refuses_in_async_code() -> None:
    async def ask() -> None:
        async with AsyncCendry(backend=AsyncResuming()) as other:
            query = other.select(by_rank)
            assert [] == list(await query.page(2))
            with pytest.raises(InvalidPageTokenError, match="this is no cursor"):
                await query.page(2, after=made(Position(1, cursor=b"x")))
            with pytest.raises(InvalidRequestError, match="twice"):
                await other.select(Query(Place, order_by=[Place.rank, FieldPath("rank")])).page(2)

    asyncio.run(ask())


def test_a_query_that_the_database_refuses_is_not_blamed_on_its_token(ctx: Any) -> None:
    twice = Query(Place, order_by=[Place.rank, FieldPath("rank")])
    for token in (None, made(Position(1, Bound((1, 1, Ref(Place, "b")), before=False)), twice)):
        with pytest.raises(InvalidRequestError, match="twice"):
            ctx.select(twice).page(2, after=token)


# Properties

steps = st.lists(st.tuples(st.sampled_from("+-><"), st.integers(0, 11), st.integers(1, 4)), max_size=25)
queries = st.sampled_from(
    [
        by_rank,
        Query(Place, order_by=Place.rank.desc()),
        Query(Place, Place.note > 0, order_by=Place.rank),
        Query(Place, Place.rank >= 0, Place.note > 0),
        Query(Place, order_by=[Place.note, Place.rank.desc()]),
        Query(Place, group=True, order_by=Place.rank),
        Query(Place, order_by=Place.rank, start_at={"rank": 0}, end_at={"rank": 2}),
    ]
)


def path_of(number: int, query: Query[Place]) -> tuple[str, Any]:
    return f"{number:02}", Ref(Place, f"p{number % 3}") if spec_of(query).group else None


@settings(max_examples=60, deadline=None)
@given(query=queries, steps=steps, size=st.integers(1, 4))
def test_a_walk_meets_every_document_that_stayed_exactly_once(query: Query[Place], steps: Any, size: int) -> None:
    with Cendry(backend=MemoryBackend()) as ctx:
        for number in range(12):
            name, parent = path_of(number, query)
            ctx.save(Place(id=name, rank=number % 3, note=1 + number % 2), parent=parent)
        bound = ctx.select(query)
        stayed = [one.id for one in bound]
        changes = iter(steps)

        def size_after_change() -> int:
            """Change something between two pages, and draw the size of the next one."""
            what, number, size = next(changes, (">", 0, 3))
            name, parent = path_of(number, query)
            if what == "-":
                ctx.delete(Place, name, parent=parent)
                stayed[:] = [one for one in stayed if one != name]
            elif what == "+":
                ctx.save(Place(id=f"{name}+", rank=number % 3, note=1), parent=parent)
            return size

        page = bound.page(size)
        met = [one.id for one in page]
        while page.next_token is not None:
            page = bound.page(size_after_change(), after=page.next_token)
            met += [one.id for one in page]
        assert len(met) == len(set(met))
        assert [one for one in met if one in stayed] == stayed

        end, met = {one.id for one in page}, []
        while page.previous_token is not None:
            page = bound.page(size_after_change(), before=page.previous_token)
            met[:0] = [one.id for one in page]
        assert len(met) == len(set(met))
        assert [one for one in met if one in stayed] == [one for one in stayed if one not in end]


MUTATED = 300


def test_mutated_tokens_give_a_page_of_the_query_or_are_refused(ctx: Any) -> None:
    draw = random.Random(7)
    query = by_rank.start_at({"rank": 1})
    bound = ctx.select(query)
    token = bound.page(2).next_token
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=%é"
    legal = {one.id for one in bound}
    for _ in range(MUTATED):
        text = list(token)
        for _ in range(draw.randint(1, 3)):
            at = draw.randrange(len(text))
            text[at : at + draw.randint(0, 2)] = draw.choice(alphabet)
        for name in ("after", "before"):
            try:
                page = bound.page(9, **{name: "".join(text)})
            except InvalidPageTokenError:
                continue
            assert legal.issuperset(one.id for one in page)


@pytest.mark.parametrize("around", [lambda ref: ref, lambda ref: [1, ref], lambda ref: {"x": [ref]}])
def test_a_bound_may_name_the_database_that_results_do_not_name(around: Any) -> None:
    def bound(database: str | None) -> QueryPlan:
        order = Order(FieldPath("home"))
        values = (around(Ref.from_path("a/b", database=database)),)
        return QueryPlan("c", orders=(order, Order(DOCUMENT_ID)), start=Bound(values, before=True))

    for path, inside in (("a/a", False), ("a/b", True), ("a/c", True)):
        values = (around(Ref.from_path(path)), Ref.from_path("c/d"))
        for database in (None, "projects/p/databases/d"):
            assert inside is _is_inside(bound(database), values)


# Tokens as cursors


def test_a_token_is_part_of_the_value_of_a_query() -> None:
    one = by_rank.start_after("t")
    assert one == by_rank.start_at("t")
    assert (hash(one), one) == (hash(by_rank.start_at("t")), pickle.loads(pickle.dumps(one)))
    assert len({by_rank, one, by_rank.start_after("u"), by_rank.end_at("t"), by_rank.start_after({"rank": 1})}) == 5
    assert one == Query(Place, order_by=Place.rank, start_after="t")
    assert one.start_after("u") == by_rank.start_after("u")
    assert "Query(Place, order_by=Place.rank.asc(), start_after='t')" == repr(one)
    both = Query(Place, order_by=Place.rank, start_at={"rank": 1}, end_before={"rank": 9}).start_after("t").end_at("u")
    shown = "Query(Place, order_by=Place.rank.asc(), start_at={'rank': 1}, end_before={'rank': 9})"
    assert f"{shown}.start_after('t').end_at('u')" == repr(both)
    assert both == eval(repr(both))
    assert both != Query(Place, order_by=Place.rank, start_after="t", end_at="u")
    # A token of another page continues in the same query; a place by value replaces both.
    assert both.start_after("v").start_after("t") == both
    assert both.start_after({"rank": 3}).end_at({"rank": 4}) == by_rank.start_after({"rank": 3}).end_at({"rank": 4})
    with pytest.raises(CendryError, match="start_at= or start_after="):
        Query(Place, start_at="t", start_after={"rank": 1})
    of_an_instance = Query(Place, order_by=Place.rank, start_at=Place(id="a", rank=1)).start_after("t")
    assert "start_at={'rank': 1, 'id': 'a'}).start_after('t')" in repr(of_an_instance)
    assert of_an_instance == eval(repr(of_an_instance))


def test_tokens_continue_in_queries_that_begin_at_values_or_instances(ctx: Any) -> None:
    for start in ({"rank": 1}, Place(id="c", rank=1)):
        for base in (ctx.select(Place, start_at=start), ctx.select(by_rank.start_at(start))):
            first = base.page(2)
            assert ("cd", "efg") == (ids(first), ids(base.start_after(first.next_token)))
            assert "cd" == ids(base.end_at(first.next_token))
            assert ids(base.page(9, after=first.next_token)) == ids(base.start_after(first.next_token))
            with pytest.raises(InvalidPageTokenError, match="another query"):
                ctx.select(by_rank).start_after(first.next_token).first()


def test_tokens_as_cursors_are_checked_as_those_of_pages(ctx: Any) -> None:
    query = ctx.select(by_rank.start_at({"rank": 1}))
    outside = made(place(0), by_rank.start_at({"rank": 1}))
    for token in ("SF", "", OF_0_6[:-1], OF_0_6, outside, made(Position(1, cursor=b"x"))):
        for placed in (query.start_after(token), query.start_at(token), query.end_at(token), query.end_before(token)):
            for run in (
                lambda query: query.to_list(),
                lambda query: list(query),
                lambda query: query.first(),
                lambda query: query.last(),
                lambda query: query.one_or_none(),
                lambda query: query.exists(),
                lambda query: query.ids(),
                lambda query: query.count(),
                lambda query: query.sum(Place.rank),
                lambda query: query.aggregate(Place.rank.avg()),
                lambda query: query.paginate(2),
                lambda query: query.page(2),
                lambda query: query.values(Place.rank).to_list(),
                lambda query: query.on_snapshot(print),
            ):
                with pytest.raises(InvalidPageTokenError):
                    run(placed)
    with pytest.raises(TypeError, match=r"or a page token, not b'x'\.$"):
        query.start_after(b"x")
    with pytest.raises(TypeError, match=r"or a page token, not None\.$"):
        query.start_after(None)


def test_tokens_as_cursors_are_signed(ctx: Any) -> None:
    backend = MemoryBackend()
    with Cendry(backend=backend, token_key=["new", "old"]) as signing, Cendry(backend=backend, token_key="old") as old:
        signing.save_many([Place(id=name, rank=1) for name in "abc"])
        query = signing.select(by_rank)
        assert "c" == ids(query.start_after(query.page(2).next_token or ""))
        assert "c" == ids(query.start_after(old.select(by_rank).page(2).next_token or ""))
        with pytest.raises(InvalidPageTokenError, match="signed with another key"):
            old.select(by_rank.start_after(query.page(2).next_token or "")).first()
        with pytest.raises(InvalidPageTokenError, match="not signed"):
            query.start_after(made(place(1))).first()


def test_tokens_as_cursors_of_queries_that_sort_by_hidden_fields_are_refused(ctx: Any) -> None:
    by_secret = Query(Place, order_by=Place.secret)
    token = made(Position(1, Bound(("m", Ref(Place, "b")), before=True)), by_secret)
    with pytest.raises(CendryError, match="repr=False"):
        ctx.select(by_secret).start_at(token).exists()


def test_pages_and_tokens_of_a_query_that_begins_at_a_token(ctx: Any) -> None:
    query = ctx.select(by_rank)
    after = query.start_after(query.page(2).next_token)
    first = after.page(2)
    second = after.page(2, after=first.next_token)
    assert ("cd", "ef", "cd") == (ids(first), ids(second), ids(after.page(2, before=second.previous_token)))
    assert None is after.page(9).previous_token
    for other in (query, query.start_after(query.page(3).next_token)):
        with pytest.raises(InvalidPageTokenError, match="another query"):
            other.page(2, after=first.next_token)
    assert ["cd", "ef", "g"] == [ids(page) for page in after.paginate(2)]
    # A token begins a query that is turned around as well.
    assert ["fg", "g"] == [ids(after.limit_to_last(2)), ids([after.last()])]
    assert "de" == ids(after.offset(1).limit(2))


def test_databases_with_cursors_of_their_own_begin_at_tokens() -> None:
    with Cendry(backend=Resuming()) as other:
        other.save_many([Place(id=name, rank=1) for name in "abcde"])
        query = other.select(by_rank)
        token = query.page(2).next_token
        assert token is not None
        after = query.start_after(token)
        assert ("cde", "c", ["cd", "e"]) == (ids(after), ids(after.limit(1)), [ids(page) for page in after.paginate(2)])
        first = after.page(2)
        assert ("cd", "e") == (ids(first), ids(after.page(2, after=first.next_token)))
        with pytest.raises(InvalidPageTokenError, match="another query"):
            query.page(2, after=first.next_token)
        for ended in (query.end_at(token), query.end_before(token), after.end_at(token)):
            with pytest.raises(UnsupportedByBackendError, match="page tokens as the end of a query"):
                ended.to_list()
        for turned_around in (lambda: after.last(), lambda: after.limit_to_last(2).to_list()):
            with pytest.raises(UnsupportedByBackendError, match="after a page token"):
                turned_around()
        assert "e" == ids([after.limit(3).last()])
        with pytest.raises(InvalidPageTokenError):
            query.start_after(made(place(1))).first()


def test_a_query_keeps_the_database_that_its_parent_names() -> None:
    class Room(Model, collection="rooms", parent=Place):
        rank: Field[int]

    above: Ref[Place] = Ref.from_path("places/a", model=Place, database="projects/p/databases/d")
    query = Query(Room, parent=above)
    shown = "Query(Room, parent=Ref.from_path('places/a', database='projects/p/databases/d'))"
    assert (shown, query) == (repr(query), eval(shown))
    assert query == Query(Room).under(above)
    assert query != Query(Room, parent=Ref(Place, "a"))
    assert query.under(Ref(Place, "a")) == Query(Room, parent=Ref(Place, "a"))
    below = Ref(Room, "r", parent=above)
    assert ("places/a/rooms/r", above.database) == (below.path, below.database)
    assert below.parent == above
    with pytest.raises(CendryError, match="points into a database other than"):
        Cendry(backend=MemoryBackend()).select(query).first()
    with pytest.raises(CendryError, match="is not a document of that collection"):
        Query(Room, parent=Ref.from_path("towns/a", database="projects/p/databases/d"))
