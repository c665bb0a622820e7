"""Transforms in values: at any depth outside arrays, in every write."""

# Checkers see that transforms are not of the types of their fields.
# mypy: disable-error-code="arg-type, union-attr"

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, NamedTuple

import pytest
from cendry import (
    DELETE_FIELD,
    SERVER_TIMESTAMP,
    ArrayRemove,
    ArrayUnion,
    CendryError,
    Field,
    FieldPath,
    Increment,
    InvalidValueError,
    Map,
    Maximum,
    Minimum,
    Model,
    field,
    from_dict,
    to_dict,
    validate,
)
from cendry.plan import Create, FieldTransform, Set, Update
from core.documents import NOW
from typing_extensions import NotRequired, TypedDict

firestore = pytest.importorskip("google.cloud.firestore")


class Named(TypedDict):
    k: datetime
    n: NotRequired[int]


class Pair(NamedTuple):
    a: Any
    b: int


@dataclass
class Plain:
    k: datetime | None


class Meta(Map):
    seen: Field[datetime | None] = field(default=None, alias="seen at")
    count: Field[int] = field(default=0)
    tags: Field[list[str]] = field(default_factory=list)
    must: Field[str] = field(default="x")


class Strict(Map):
    name: Field[str]


class Doc(Model, collection="docs"):
    meta: Field[Meta | None] = field(default=None, alias="m.eta")
    free: Field[Any] = field(default=None)
    maps: Field[dict[str, Meta]] = field(default_factory=dict)
    times: Field[dict[str, datetime]] = field(default_factory=dict)
    metas: Field[list[Meta]] = field(default_factory=list)
    items: Field[list[Any]] = field(default_factory=list)
    pair: Field[Pair | None] = field(default=None)
    named: Field[Named | None] = field(default=None)
    plain: Field[Plain | None] = field(default=None)
    either: Field[int | str | Meta | None] = field(default=None)
    amount: Field[float] = field(default=0.0)
    updated: Field[datetime | None] = field(auto_now=True)


class Held(Model, collection="docs"):
    strict: Field[Strict | None] = field(default=None)
    count: Field[int]
    since: Field[int | None] = field(default=7)


def only(backend: Any) -> Any:
    [[write]] = backend.plans("commit")
    return write


def transforms(**paths: Any) -> dict[FieldPath, Any]:
    return {FieldPath(*path.split("__")): value for path, value in paths.items()}


def found(write: Any) -> dict[FieldPath, Any]:
    return {one.path: one.transform for one in write.transforms}


def present(data: Any) -> dict[str, Any]:
    """The stored fields that are not the defaults."""
    return {name: value for name, value in data.items() if value not in (None, {}, [], 0.0, NOW)}


VALUES: dict[str, tuple[dict[str, Any], dict[str, Any], dict[FieldPath, Any]]] = {
    "map": (
        {"meta": Meta(seen=SERVER_TIMESTAMP, count=3)},
        {"m.eta": {"count": 3, "tags": [], "must": "x"}},
        {FieldPath("m.eta", "seen at"): SERVER_TIMESTAMP},
    ),
    "free": (
        {"free": {"k": SERVER_TIMESTAMP, "a": {"n": Increment(2), "b": {}}, "c": {"d": {"e": Maximum(1.5)}}}},
        {"free": {"a": {"b": {}}}},
        transforms(free__k=SERVER_TIMESTAMP, free__a__n=Increment(2), free__c__d__e=Maximum(1.5)),
    ),
    "whole": ({"free": Minimum(3)}, {}, transforms(free=Minimum(3))),
    "dict": (
        {"maps": {"x": Meta(count=Increment(1), tags=ArrayUnion(["a"])), "y": Meta()}},
        {
            "maps": {
                "x": {"seen at": None, "must": "x"},
                "y": {"seen at": None, "count": 0, "tags": [], "must": "x"},
            }
        },
        transforms(maps__x__count=Increment(1), maps__x__tags=ArrayUnion(["a"])),
    ),
    "nothing else": ({"times": {"a": SERVER_TIMESTAMP}}, {}, transforms(times__a=SERVER_TIMESTAMP)),
    "records": (
        {"named": {"k": SERVER_TIMESTAMP, "n": Increment(1)}, "plain": Plain(SERVER_TIMESTAMP)},
        {},
        transforms(named__k=SERVER_TIMESTAMP, named__n=Increment(1), plain__k=SERVER_TIMESTAMP),
    ),
    "union": (
        {"either": Meta(tags=ArrayRemove(["a"])), "amount": Increment(1)},
        {"either": {"seen at": None, "count": 0, "must": "x"}},
        transforms(either__tags=ArrayRemove(["a"]), amount=Increment(1.0)),
    ),
    "a member of a union": ({"either": Increment(2)}, {}, transforms(either=Increment(2))),
    "the SDK's own": (
        {
            "free": {"t": firestore.SERVER_TIMESTAMP, "n": firestore.Increment(1)},
            "meta": Meta(tags=firestore.ArrayUnion(["a"])),
        },
        {"m.eta": {"seen at": None, "count": 0, "must": "x"}},
        {**transforms(free__t=SERVER_TIMESTAMP, free__n=Increment(1)), FieldPath("m.eta", "tags"): ArrayUnion(["a"])},
    ),
}


@pytest.mark.parametrize("case", VALUES)
@pytest.mark.parametrize("method", ["save", "create"])
def test_instances_with_transforms(ctx: Any, backend: Any, method: str, case: str) -> None:
    values, data, expected = VALUES[case]
    doc = Doc(id="a", **values)
    getattr(ctx, method)(doc)
    write = only(backend)
    assert type(write) is (Set if method == "save" else Create)
    assert (present(write.data), found(write)) == (data, expected)
    assert write.data["updated"] == doc.updated == NOW


@pytest.mark.parametrize("case", VALUES)
def test_updates_with_transforms(ctx: Any, backend: Any, case: str) -> None:
    values, data, expected = VALUES[case]
    backend.put("docs/a", {})
    ctx.update(Doc, "a", values)
    write = only(backend)
    assert type(write) is Update
    assert (present(write.data), found(write)) == (data, expected)
    # The maps are replaced as a whole, whatever is in them.
    stored = {"m.eta" if name == "meta" else name for name in values}
    computed = {path.segments[0] for path in expected if len(path) == 1}
    assert {path.segments for path in write.mask} == {(name,) for name in {*stored, "updated"} - computed}


def test_a_merge_leaves_what_stands_beside_a_transform(ctx: Any, backend: Any) -> None:
    ctx.save(Held(id="a", count=Increment(1), strict=Strict(name="x")), merge=True)
    write = only(backend)
    assert [str(path) for path in write.mask] == ["strict.name", "since"]
    backend.calls.clear()
    meta = Meta(seen=SERVER_TIMESTAMP, count=Increment(1), tags=ArrayUnion(["a"]), must=DELETE_FIELD)
    ctx.save(Doc(id="a", meta=meta), merge=True)
    write = only(backend)
    assert [str(path) for path in write.mask if path.segments[0] == "m.eta"] == ["`m.eta`.must"]
    assert "m.eta" not in write.data


def test_instances_have_the_results_after_refresh(ctx: Any) -> None:
    doc = Doc(id="a", free={"n": 1, "k": SERVER_TIMESTAMP}, meta=Meta(count=Increment(1)))
    ctx.save(doc)
    assert (doc.free["k"], doc.meta.count) == (SERVER_TIMESTAMP, Increment(1))
    ctx.refresh(doc)
    assert (type(doc.free["k"]), doc.meta.count) == (datetime, 1)
    ctx.update(doc, {"free": {"n": Increment(5)}, "meta.count": 4})
    # What is computed is left to refresh as a whole.
    assert (doc.free["n"], doc.meta.count) == (1, 4)
    ctx.refresh(doc)
    assert (doc.free, doc.meta.count) == ({"n": 5}, 4)


def test_merges_remove_fields(ctx: Any, backend: Any) -> None:
    backend.put("docs/a", {"count": 1, "since": 3, "other": 4, "strict": {"name": "x", "other": 1}})
    held = Held(id="a", count=2, since=DELETE_FIELD, strict=DELETE_FIELD)
    ctx.save(held, merge=True)
    assert backend.data("docs/a") == {"count": 2, "other": 4}
    assert (held.since, held.strict) == (7, None)
    doc = Doc(id="b", named={"k": NOW, "n": firestore.DELETE_FIELD}, meta=Meta(tags=DELETE_FIELD, count=3))
    backend.put("docs/b", {"m.eta": {"tags": ["a"], "other": 1}, "named": {"n": 3}})
    ctx.save(doc, merge=True)
    data = backend.data("docs/b")
    assert data["m.eta"] == {"seen at": None, "count": 3, "must": "x", "other": 1}
    assert data["named"] == {"k": NOW}
    assert doc.meta == Meta(count=3)


ANY = "a value that Firestore can hold"
TIME = "datetime or None"
NOW_TEXT = "SERVER_TIMESTAMP, a transform"
NO_ARRAYS = "transforms can't be inside arrays"
WHOLE = "it can't be inside a value that is written as a whole; name the field itself"
REMOVED = "found DELETE_FIELD, a marker"
UNMERGED = r"only update(), merge() and save(merge=True) take it"


@pytest.mark.parametrize(
    ("values", "path", "expected", "found"),
    [
        ({"items": [SERVER_TIMESTAMP]}, "items[0]", ANY, f"SERVER_TIMESTAMP, a transform ({NO_ARRAYS})"),
        ({"items": [1, {"k": Increment(1)}]}, "items[1].k", ANY, f"Increment(value=1), a transform ({NO_ARRAYS})"),
        (
            {"free": {"a": [{"b": {"c": ArrayUnion([1])}}]}},
            "free.a[0].b.c",
            ANY,
            f"ArrayUnion([1]), a transform ({NO_ARRAYS})",
        ),
        ({"metas": [Meta(seen=SERVER_TIMESTAMP)]}, "metas[0].seen", TIME, f"{NOW_TEXT} ({NO_ARRAYS})"),
        ({"pair": Pair(1, Increment(1))}, "pair[1]", "int", f"Increment(value=1), a transform ({NO_ARRAYS})"),
        ({"meta": Meta(count=Increment(1.5))}, "meta.count", "int", "Increment(value=1.5), a transform"),
        ({"meta": Meta(seen=Increment(1))}, "meta.seen", "datetime or None", "Increment(value=1), a transform"),
        ({"meta": Meta(count=SERVER_TIMESTAMP)}, "meta.count", "int", "SERVER_TIMESTAMP, a transform"),
        ({"meta": Meta(count=ArrayUnion([1]))}, "meta.count", "int", "ArrayUnion([1]), a transform"),
        (
            {"meta": Meta(tags=ArrayUnion(["a", 1]))},
            "meta.tags",
            "list of str",
            "ArrayUnion(['a', 1]), a transform (meta.tags[1]: expected str, found int 1)",
        ),
        (
            {"free": ArrayUnion([Increment(1)])},
            "free",
            ANY,
            f"ArrayUnion([Increment(value=1)]), a transform (free[0]: expected {ANY}",
        ),
        ({"either": Maximum(1.5)}, "either", "int or str or Meta or None", "Maximum(value=1.5), a transform"),
        ({"free": {"k": SERVER_TIMESTAMP}, "amount": "x"}, "amount", "float", "str 'x'"),
    ],
)
def test_wrong_transforms_are_named(
    ctx: Any, backend: Any, values: dict[str, Any], path: str, expected: str, found: str
) -> None:
    calls: list[Callable[[], Any]] = [
        lambda: ctx.save(Doc(id="a", **values)),
        lambda: ctx.create(Doc(id="a", **values)),
        lambda: ctx.save(Doc(id="a", **values), merge=True),
        lambda: ctx.update(Doc, "a", values),
    ]
    for call in calls:
        with pytest.raises(InvalidValueError) as caught:
            call()
        assert f"Doc.{path}: expected {expected}, found {found}" in str(caught.value)
    assert backend.calls == []


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda ctx: ctx.save(Doc(id="a", free=DELETE_FIELD)), f"free: expected {ANY}, {REMOVED} ({UNMERGED})"),
        (lambda ctx: ctx.create(Doc(id="a", meta=Meta(seen=DELETE_FIELD))), UNMERGED),
        (lambda ctx: ctx.save(Doc(id="a", free={"k": DELETE_FIELD}), merge=True), WHOLE),
        (lambda ctx: ctx.save(Doc(id="a", items=[DELETE_FIELD]), merge=True), WHOLE),
        (lambda ctx: ctx.save(Doc(id="a", maps={"k": Meta(seen=DELETE_FIELD)}), merge=True), WHOLE),
        (lambda ctx: ctx.update(Doc, "a", {"free": {"k": DELETE_FIELD}}), f"free.k: expected {ANY}, {REMOVED}"),
        (lambda ctx: ctx.update(Doc, "a", {"meta": Meta(seen=DELETE_FIELD)}), WHOLE),
        (
            lambda ctx: ctx.save(Held(id="a", count=DELETE_FIELD), merge=True),
            "Held.count: expected int, found DELETE_FIELD, a marker (the field is required)",
        ),
        (
            lambda ctx: ctx.save(Held(id="a", count=1, strict=Strict(name=DELETE_FIELD)), merge=True),
            "Held.strict.name: expected str, found DELETE_FIELD",
        ),
    ],
)
def test_wrong_removals_are_refused(ctx: Any, backend: Any, call: Any, expected: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        call(ctx)
    assert expected in str(caught.value)
    assert backend.calls == []


def test_only_writes_take_transforms(ctx: Any) -> None:
    data = {"free": {"k": SERVER_TIMESTAMP}}
    with pytest.raises(CendryError, match="found SERVER_TIMESTAMP, a transform"):
        from_dict(Doc, data)
    assert [problem.path for problem in validate(Doc, data)] == ["free.k"]
    with pytest.raises(InvalidValueError, match="found SERVER_TIMESTAMP, a transform"):
        to_dict(Doc(free={"k": SERVER_TIMESTAMP}))


def test_automatic_times_give_way_to_transforms(ctx: Any, backend: Any) -> None:
    doc = Doc(id="a", updated=SERVER_TIMESTAMP)
    ctx.save(doc)
    write = only(backend)
    assert ("updated" in write.data, write.transforms) == (
        False,
        (FieldTransform(FieldPath("updated"), SERVER_TIMESTAMP),),
    )
    backend.calls.clear()
    ctx.update(Doc, "a", {"updated": SERVER_TIMESTAMP})
    assert only(backend).mask == ()


def test_the_compiled_message_way_falls_back_like_the_other() -> None:
    sdk = pytest.importorskip("cendry_firestore._dialect")
    from cendry.codec import codec_for, message

    codec = codec_for(Doc)
    encode = message.encoder(codec, sdk.FIRESTORE, "projects/p/databases/d")
    doc = Doc(id="a", free={"t": datetime(2026, 1, 1, tzinfo=timezone.utc)}, meta=Meta(count=1))
    assert dict(encode(doc)) == codec.encode(doc)
    doc.free["k"] = SERVER_TIMESTAMP
    for way in (encode, codec.encode):
        with pytest.raises(InvalidValueError, match="found SERVER_TIMESTAMP, a transform"):
            way(doc)


class Loose(Model, collection="docs"):
    either: Field[int | dict[str, Any] | None] = field(default=None)


def test_a_union_takes_transforms_in_any_mapping(ctx: Any, backend: Any) -> None:
    ctx.save(Loose(id="a", either=OrderedDict(k=SERVER_TIMESTAMP, n=1)))
    write = only(backend)
    assert (write.data, found(write)) == ({"either": {"n": 1}}, transforms(either__k=SERVER_TIMESTAMP))
    with pytest.raises(InvalidValueError, match="Loose.either: expected int or dict"):
        ctx.save(Loose(id="a", either=OrderedDict(k=[SERVER_TIMESTAMP])))
