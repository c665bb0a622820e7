from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import pytest
from cendry.errors import TransactionContentionError
from cendry.plan import Delete, Distance, Nearest, QueryPlan, Set
from cendry.values import Vector
from cendry_memory import MemoryBackend
from memory.asking import by, is_, path


def near(*components: float, limit: int = 3, distance: Distance = "euclidean", field: str = "v", **options: Any) -> Any:
    return QueryPlan("c", nearest=Nearest(path(field), Vector(components), limit, distance), **options)


def found(backend: MemoryBackend, plan: QueryPlan, **options: Any) -> list[str]:
    return [result.path for result in backend.run(plan, **options)]


def put(backend: MemoryBackend, **components: float) -> None:
    backend.commit([Set(f"c/{name}", {"v": Vector([each])}) for name, each in components.items()])


def test_vectors_inside_maps_are_found(backend: MemoryBackend) -> None:
    backend.commit([Set("c/a", {"m": {"v": Vector([1])}}), Set("c/b", {"m.v": Vector([1]), "m": 5})])
    assert found(backend, near(1, field="m.v")) == ["c/a"]
    assert found(backend, near(1, field="`m.v`")) == ["c/b"]


@pytest.mark.parametrize("distance", ["euclidean", "cosine", "dot_product"])
@pytest.mark.parametrize("where", [None, is_("n", ">", 10), is_("n", "==", 50)])
def test_among_many_documents(backend: MemoryBackend, distance: Distance, where: Any) -> None:
    numbers = random.Random(3)
    documents = {
        f"c/{place:03}": {"n": place % 100, "v": Vector([numbers.randint(-3, 3), numbers.randint(-3, 3)])}
        for place in range(300)
    }
    backend.commit([Set(name, data) for name, data in documents.items()])
    plan = near(1, 2, limit=1000, distance=distance, where=where, orders=by("n", "-__name__"))
    results: list[Any] = list(backend.run(plan))
    count = len(list(backend.run(QueryPlan("c", where=where))))
    assert len(results) == count
    defined = [each.distance for each in results if each.distance == each.distance]
    assert defined == sorted(defined, reverse=distance == "dot_product")
    for one, other in pairwise(results):
        if one.distance == other.distance:
            assert (one.data["n"], other.path) <= (other.data["n"], one.path)


def test_results_belong_to_the_caller(backend: MemoryBackend) -> None:
    backend.commit([Set("c/a", {"v": Vector([1]), "m": {"n": 1}})])
    results: list[Any] = list(backend.run(near(1)))
    results[0].data["m"]["n"] = 2
    assert next(backend.run(near(1))).data == {"v": Vector([1]), "m": {"n": 1}}
    assert results[0].distance == 0


def test_results_are_those_of_the_moment_of_the_search(backend: MemoryBackend) -> None:
    put(backend, a=1, b=2)
    results: Any = backend.run(near(0))
    put(backend, a=9)
    assert [(each.path, each.distance) for each in results] == [("c/a", 1), ("c/b", 2)]


@pytest.mark.parametrize(
    ("change", "aborts"),
    [
        ({"new": 0.5}, True),
        ({"a": 0.5}, True),
        ({"new": 5.0}, False),
        ({"far": 6.0}, False),
    ],
)
def test_a_transaction_is_aborted_if_it_would_find_others(
    backend: MemoryBackend, change: dict[str, float], aborts: bool
) -> None:
    put(backend, a=1, b=2, far=9)
    transaction = backend.begin()
    assert found(backend, near(0, limit=2), transaction=transaction) == ["c/a", "c/b"]
    put(backend, **change)
    if aborts:
        with pytest.raises(TransactionContentionError):
            backend.commit([Set("c/x", {})], transaction=transaction)
    else:
        backend.commit([Set("c/x", {})], transaction=transaction)


def test_a_read_only_transaction_sees_its_moment(backend: MemoryBackend) -> None:
    put(backend, a=1, b=2)
    transaction = backend.begin(read_only=True)
    assert found(backend, near(0, limit=1), transaction=transaction) == ["c/a"]
    backend.commit([Delete("c/a")])
    assert found(backend, near(0, limit=1), transaction=transaction) == ["c/a"]
    assert found(backend, near(0, limit=1)) == ["c/b"]
