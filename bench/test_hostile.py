"""Hostile bodies of 1 MB against honest ones of the same size and kind: the CPU of `from_dict` and `validate`."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

import pytest
from cendry import Field, Map, Model, Ref, ValidationError, field, from_dict, validate
from figures import Figures
from timing import medians

SIZE = 1_000_000
ROUNDS = 5
BUDGET = 3

Body = dict[str, Any]


class Part(Map):
    name: Field[str]
    size: Field[int] = field(default=0)
    tags: Field[list[str]] = field(default_factory=list)


class Node(Map):
    name: Field[str]
    below: Field[list[Node]] = field(default_factory=list)


class Order(Model, collection="orders"):
    title: Field[str]
    parts: Field[list[Part]] = field(default_factory=list)
    numbers: Field[list[int]] = field(default_factory=list)
    words: Field[dict[str, str]] = field(default_factory=dict)
    tree: Field[Node | None] = field(default=None)
    more: Field[Any] = field(default=None)
    raw: Field[list[bytes]] = field(default_factory=list)
    times: Field[list[datetime]] = field(default_factory=list)
    periods: Field[list[timedelta]] = field(default_factory=list)
    prices: Field[list[Decimal]] = field(default_factory=list)
    places: Field[list[Ref]] = field(default_factory=list)


def filled(make: Callable[[int], Body]) -> Body:
    """A body of 1 MB of JSON: what is made of a number of elements, with as many as it takes."""
    count = 1000
    for _ in range(3):
        count = count * SIZE // len(json.dumps(make(count)))
    body = make(count)
    assert 0.9 * SIZE < len(json.dumps(body)) < 1.1 * SIZE
    return body


def parts(count: int) -> Body:
    return {"title": "x", "parts": [{"name": f"part {n}", "size": n, "tags": ["a", "b"]} for n in range(count)]}


def numbers(count: int) -> Body:
    return {"title": "x", "numbers": list(range(count))}


def words(count: int) -> Body:
    return {"title": "x", "words": {f"key{n}": "some words" for n in range(count)}}


def anything(count: int) -> Body:
    return {"title": "x", "more": [{"k": n, "l": [1, "two"]} for n in range(count)]}


def tree(count: int) -> Body:
    branches = [{"name": "n", "below": [{"name": f"m{n}"} for n in range(10)]} for _ in range(max(count // 10, 1))]
    return {"title": "x", "tree": {"name": "top", "below": branches}}


def changed(make: Callable[[int], Body], change: Callable[[Body], object]) -> Callable[[], Body]:
    def body() -> Body:
        made = filled(make)
        change(made)
        return made

    return body


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"a": value}
    return value


HONEST: dict[str, Callable[[int], Body]] = {
    "parts": parts, "numbers": numbers, "words": words, "anything": anything, "tree": tree
}  # fmt: skip

HOSTILE: dict[str, tuple[str, Callable[[], Body]]] = {
    "unknown keys": ("parts", lambda: filled(lambda n: {"title": "x", **{f"numbers{i}": 0 for i in range(n)}})),
    "unknown keys in parts": ("parts", lambda: filled(lambda n: {"title": "x", "parts": [{"nam": 1}] * n})),
    "one unknown key at the end": ("parts", changed(parts, lambda body: body["parts"][-1].update(z=1))),
    "one long key": ("parts", lambda: {"title": "x", "k" * SIZE: 0}),
    "long keys": ("parts", lambda: {"title": "x", **{f"{'k' * 9_990}{i}": 0 for i in range(100)}}),
    "long keys in a dict": ("words", lambda: {"title": "x", "words": {f"{'k' * 9_990}{i}": "" for i in range(100)}}),
    "reserved keys": ("words", lambda: filled(lambda n: {"title": "x", "words": {f"__{i}__": "" for i in range(n)}})),
    "nested deep": ("anything", lambda: {"title": "x", "more": deep(900)}),
    "nested deep, many": ("anything", lambda: filled(lambda n: {"title": "x", "more": [deep(30) for _ in range(n)]})),
    "nested deep, much below": ("anything", changed(anything, lambda body: body.update(more=[[body["more"]]]))),
    "an array in an array at the end": ("anything", changed(anything, lambda body: body["more"].append([1]))),
    "a tree with one bad leaf": ("tree", changed(tree, lambda body: body["tree"]["below"].append({"name": 5}))),
    "bad items": ("numbers", lambda: filled(lambda n: {"title": "x", "numbers": ["x"] * n})),
    "one bad item at the end": ("numbers", changed(numbers, lambda body: body["numbers"].append("x"))),
    "one bad part at the end": ("parts", changed(parts, lambda body: body["parts"].append({"name": 5}))),
    "one bad word at the end": ("words", changed(words, lambda body: body["words"].update(z=5))),
    "large numbers": ("numbers", lambda: filled(lambda n: {"title": "x", "numbers": [2**63] * n})),
    "dotted names": ("parts", lambda: filled(lambda n: {"title": "x", **{f"a{'.a' * 40}{i}": 0 for i in range(n)}})),
    "one dotted name": ("parts", lambda: {"title": "x", "more" + ".a" * (SIZE // 2): 0}),
    "bad Base64": ("numbers", lambda: {"title": "x", "raw": ["*" * (SIZE // 100)] * 100}),
    "bad times": ("numbers", lambda: filled(lambda n: {"title": "x", "times": ["2026-13-01T00:00:00Z"] * n})),
    "long times": ("numbers", lambda: {"title": "x", "times": ["2" * SIZE, "2026-01-31T08:15:30." + "1" * SIZE]}),
    "bad periods": ("numbers", lambda: filled(lambda n: {"title": "x", "periods": ["P1Y1M1W1DT1H1M1S1"] * n})),
    "long periods": ("numbers", lambda: {"title": "x", "periods": ["P" + "1" * SIZE, "P" + "1Y" * (SIZE // 2)]}),
    "long decimals": ("numbers", lambda: {"title": "x", "prices": ["1" * SIZE + "x", "1E" + "9" * SIZE]}),
    "long paths": ("numbers", lambda: {"title": "x", "places": ["a/" * (SIZE // 2), "projects/" * (SIZE // 9)]}),
    "a long text for a number": ("numbers", lambda: {"title": "x", "numbers": ["1" * SIZE]}),
}


@pytest.mark.parametrize("mode", ["python", "json"])
@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_body_costs_no_more_than_three_honest_ones(
    what: str, mode: Literal["python", "json"], figures: Figures
) -> None:
    kind, make = HOSTILE[what]
    honest, hostile = filled(HONEST[kind]), make()
    with pytest.raises(ValidationError):
        from_dict(Order, hostile, mode=mode)

    def refused() -> None:
        with suppress(ValidationError):
            from_dict(Order, hostile, mode=mode)

    took = medians(
        ROUNDS,
        honest=lambda: from_dict(Order, honest, mode=mode),
        hostile=refused,
        validate_honest=lambda: validate(Order, honest, mode=mode),
        validate_hostile=lambda: validate(Order, hostile, mode=mode),
    )
    for name, ours, other in (
        ("from_dict", took["hostile"].cpu, took["honest"].cpu),
        ("validate", took["validate_hostile"].cpu, took["validate_honest"].cpu),
    ):
        times = f"{1e3 * ours:.2f} ms, {kind} {1e3 * other:.2f} ms"
        figures(f"{name}, {mode}: {what}, next to an honest body", ours / other, budget=BUDGET, detail=times)
