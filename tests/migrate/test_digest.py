"""Digests of both sides. No database."""

from __future__ import annotations

import random
from typing import Any

from cendry_datastore.migrate.digest import BUCKETS, Digest, bucket_of, digest_of, is_in_sample
from hypothesis import given
from hypothesis import strategies as st
from migrate.sides import Document


def document(name: str, **fields: str) -> Any:
    found = Document(name=name)
    for field, value in fields.items():
        found.fields[field].string_value = value
    return found


def digest(*documents: Any) -> Digest:
    found = Digest()
    for one in documents:
        found.add(one)
    return found


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=10), st.randoms(use_true_random=False))
def test_neither_the_order_of_documents_nor_that_of_fields_nor_times_matter(
    names: dict[str, str], order: random.Random
) -> None:
    one = [document(name, a=value, b="x", c="y") for name, value in names.items()]
    other = [document(name, c="y", b="x", a=value) for name, value in names.items()]
    for each in other:
        each.create_time.GetCurrentTime()
        each.update_time.GetCurrentTime()
    order.shuffle(other)
    assert frozenset() == digest(*one).differing(digest(*other))
    assert len(names) == digest(*one).count


def test_each_difference_is_in_the_bucket_of_its_document() -> None:
    one = [document(f"d{number}", a="x") for number in range(500)]
    assert {bucket_of("d7")} == digest(*one).differing(digest(*one[:7], *one[8:]))
    assert {bucket_of("d7")} == digest(*one).differing(digest(*one[:7], document("d7", a="y"), *one[8:]))
    assert {bucket_of("d7")} == digest(*one).differing(digest(*one, document("d7", b="x")))
    # What isn't stored is another thing than what is empty.
    assert digest_of(document("d")) != digest_of(document("d", a=""))


def test_swapped_fields_are_found_also_if_two_pairs_swap_them() -> None:
    same = next(name for name in map(str, range(100_000)) if bucket_of(name) == bucket_of("0") and name != "0")
    values = [("0", "x"), (same, "y"), ("0", "x"), (same, "y")]
    swapped = [("0", "y"), (same, "x"), ("0", "y"), (same, "x")]
    one, other = (digest(*(document(name, a=value) for name, value in pairs)) for pairs in (values, swapped))
    assert {bucket_of("0")} == one.differing(other)


def test_names_fall_evenly_into_all_buckets() -> None:
    counts = [0] * BUCKETS
    for number in range(BUCKETS * 20):
        counts[bucket_of(f"projects/p/databases/d/documents/K/__id{number}__")] += 1
    assert min(counts) > 0
    assert max(counts) < 60


def test_a_sample_has_its_share_and_is_the_same_each_time() -> None:
    names = [f"projects/p/databases/d/documents/K/{number}" for number in range(20_000)]
    found = [name for name in names if is_in_sample(name, 0.05)]
    assert 800 < len(found) < 1200
    assert found == [name for name in names if is_in_sample(name, 0.05)]
    assert set(found) <= {name for name in names if is_in_sample(name, 0.5)}
    assert names == [name for name in names if is_in_sample(name, 1.0)]
    assert [] == [name for name in names if is_in_sample(name, 0.0)]
