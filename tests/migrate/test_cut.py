"""Cuts are disjoint and cover all keys, and batches are as small as a commit must be."""

from __future__ import annotations

from typing import Any

import pytest
from cendry_datastore import _sdk
from cendry_datastore.migrate import KindPlan, Place, Plan, Shard, Source
from cendry_datastore.migrate.batches import batches
from cendry_datastore.migrate.cut import cut_sample, cut_walk, key_order, shard_count, shards_of
from cendry_datastore.migrate.paging import key_bytes
from cendry_datastore.migrate.target import Write
from hypothesis import given, settings
from hypothesis import strategies as st
from migrate.seeding import entity, put
from migrate.test_values import MOMENT

names = st.one_of(
    st.integers(-(2**63), 2**63 - 1).filter(bool),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=8),
)
paths = st.lists(st.tuples(st.sampled_from(["A", "K", "é"]), names), max_size=2).flatmap(
    lambda before: st.tuples(st.just("K"), names).map(lambda last: [*before, last])
)


def key(path: list[tuple[str, str | int]]) -> Any:
    made = _sdk.Key()
    made.partition_id.project_id = "p"
    for kind, name in path:
        element = made.path.add(kind=kind)
        if isinstance(name, int):
            element.id = name
        else:
            element.name = name
    return made


def within(shard: Shard, one: Any) -> bool:
    start, end = (None if not bound else key_order(_sdk.Key.FromString(bound)) for bound in (shard.start, shard.end))
    at = key_order(one)
    return (start is None or start < at) and (end is None or at <= end)


keys_of_a_kind = st.lists(paths, max_size=60).map(
    lambda found: list({key_bytes(one): one for one in map(key, found)}.values())
)


@given(keys_of_a_kind, st.data())
def test_each_key_is_in_one_shard(keys: list[Any], data: st.DataObject) -> None:
    sample = data.draw(st.lists(st.sampled_from(keys), unique_by=key_bytes)) if keys else []
    shards = shards_of("K", cut_sample(sample, data.draw(st.integers(1, 9))), 3)

    assert all(1 == sum(within(shard, one) for shard in shards) for one in keys)
    assert list(range(3, 3 + len(shards))) == [shard.number for shard in shards]
    assert ("", "") == (shards[0].start.decode(), shards[-1].end.decode())


@given(keys_of_a_kind, st.integers(1, 20))
def test_a_walk_cuts_shards_of_one_size(keys: list[Any], size: int) -> None:
    keys.sort(key=key_order)
    cuts, count = cut_walk(iter(keys), size)
    shards = shards_of("K", cuts)

    assert len(keys) == count
    sizes = [sum(within(shard, one) for one in keys) for shard in shards]
    assert len(keys) == sum(sizes)
    assert all(size == one for one in sizes[:-1])
    assert not keys or 0 < sizes[-1] <= size
    plan = Plan("x", Place("p"), Place("p"), MOMENT, "raw", (), (KindPlan("K", "K", count, shards),))
    assert plan == Plan.from_json(plan.to_json())


def test_a_kind_gets_as_many_shards_as_it_is_large() -> None:
    assert [1, 1, 2, 500, 1000] == list(map(shard_count, (0, 29_999, 30_001, 10_000_000, 10**9)))
    assert 4 == shard_count(100, 25)


@pytest.mark.parametrize("cuts", [2, 5])
def test_shards_of_a_database_have_all_of_its_entities(any_datastore: str, sdk: Any, source: Source, cuts: int) -> None:
    odd: list[str | int] = ["a", "a!", "A", "é", "\uffee", "\U0001f600", "10", "b/c", 1, 10, 2, 2**40, "__x"]
    put(sdk, [entity(sdk, "K", one) for one in odd] + [entity(sdk, "P", one, "K", one) for one in odd])
    walked, count = cut_walk(source.keys("K"), 26 // cuts)

    assert 26 == count
    found: list[bytes] = []
    for shard in shards_of("K", walked):
        found += [key_bytes(one.entity.key) for page in source.pages(shard, page=3) for one in page.results]
    assert [key_bytes(one) for one in source.keys("K")] == found


@settings(max_examples=50)
@given(st.lists(st.integers(0, 400), max_size=40), st.integers(100, 900), st.integers(1, 9))
def test_batches_are_small_enough_and_keep_the_order(sizes: list[int], most: int, count: int) -> None:
    writes = [Write(delete="x" * size) for size in sizes]
    groups = list(batches(writes, most, count))

    assert writes == [one for group in groups for one in group]
    for group in groups:
        assert 0 < len(group) <= count
        assert len(group) == 1 or sum(one.ByteSize() for one in group) <= most
