"""Models, and instances of them, drawn at random: what the codec takes, any compiled form of it takes."""

from __future__ import annotations

import datetime as dt
import enum
from dataclasses import make_dataclass
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, Literal, NamedTuple, Optional, Union, get_args, get_origin
from uuid import UUID
from zoneinfo import ZoneInfo

from cendry._model.fields import field
from cendry.reference import Ref
from cendry.values import GeoPoint, Vector
from hypothesis import strategies as st
from making import make_map, make_model
from typing_extensions import TypedDict


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Pair(NamedTuple):
    first: int
    second: Optional[str]


class Options(TypedDict, total=False):
    color: Color
    when: dt.date


City = make_model({"name": str})

keys = st.text(min_size=1, max_size=6).filter(lambda key: not (key.startswith("__") and key.endswith("__")))
int64 = st.integers(-(2**63), 2**63 - 1)
zones = st.sampled_from([timezone.utc, timezone(timedelta(hours=5)), ZoneInfo("Europe/Berlin")])


def is_certain(moment: datetime) -> bool:
    """Whether it is neither skipped nor repeated in its zone; those equal no datetime of another zone."""
    return moment.replace(fold=0).utcoffset() == moment.replace(fold=1).utcoffset()


moments = st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=zones).filter(is_certain)
points = st.builds(GeoPoint, st.floats(-90, 90), st.floats(-180, 180))
parts = st.text("abc", min_size=1, max_size=4)

Case = tuple[Any, st.SearchStrategy[Any]]


def no_list(value: Any) -> bool:
    return not isinstance(value, list)


def leaves(floats: st.SearchStrategy[float], *, json: bool = False) -> tuple[list[Case], list[Case]]:
    """Types without others inside: those that sets can hold, and all of them, `Any` last."""
    decimals = st.decimals(allow_nan=False, allow_infinity=not json)
    hashable: list[Case] = [
        (bool, st.booleans()),
        (int, int64),
        (float, floats),
        (str, st.text(max_size=8)),
        (bytes, st.binary(max_size=8)),
        (datetime, moments),
        (GeoPoint, points),
        (Ref[City], st.builds(Ref, st.just(City), parts)),  # type: ignore[valid-type]
        (Ref, st.builds(Ref.from_path, st.just("docs/SF") | parts.map("docs/{}".format))),
        (Decimal, decimals),
        (UUID, st.uuids()),
        (dt.date, st.dates()),
        (dt.time, st.times()),
        (timedelta, st.timedeltas(timedelta(microseconds=-(2**63)), timedelta(microseconds=2**63 - 1))),
        (Color, st.sampled_from(Color)),
        (Level, st.sampled_from(Level)),
        (Literal["a", 1], st.sampled_from(["a", 1])),
        (Union[int, str], int64 | st.text(max_size=3)),
        (Union[Color, float], st.sampled_from(Color) | floats)
        if json
        else (Union[Color, float, dt.date], st.sampled_from(Color) | floats | st.dates()),
    ]
    plain = st.none() | st.booleans() | int64 | floats | st.text(max_size=5)
    anything = st.recursive(
        plain if json else plain | moments | points,
        lambda inner: st.dictionaries(keys, inner | st.lists(inner.filter(no_list), max_size=2), max_size=2),
        max_leaves=4,
    )
    vectors = st.builds(Vector, st.lists(floats, max_size=3))
    return hashable, [*hashable, (Vector, vectors), (Any, anything)]


LEAVES = {
    "": leaves(st.floats(allow_nan=False)),
    "nan": leaves(st.floats()),
    "json": leaves(st.floats(allow_nan=False, allow_infinity=False), json=True),
}
# Each is stored as another kind, so that any of them make a union.
MEMBERS: list[Case] = [
    (bool, st.booleans()),
    (bytes, st.binary(max_size=3)),
    (GeoPoint, points),
    (Ref[City], st.builds(Ref, st.just(City), parts)),  # type: ignore[valid-type]
    (dt.time, st.times()),
    (Decimal, st.decimals(allow_nan=False)),
    (list[Level], st.lists(st.sampled_from(Level), max_size=3)),
    (dict[str, float], st.dictionaries(keys, st.floats(allow_nan=False), max_size=3)),
]
# Of each of these, one looks like no other in JSON.
JSON_MEMBERS: list[list[Case]] = [
    [(bool, st.booleans())],
    [
        (bytes, st.binary(max_size=3)),
        (Ref[City], st.builds(Ref, st.just(City), parts)),  # type: ignore[valid-type]
        (dt.time, st.times()),
        (Decimal, st.decimals(allow_nan=False, allow_infinity=False)),
    ],
    [(int, int64)],
    [(float, st.floats(allow_nan=False, allow_infinity=False))],
    [(list[Level], st.lists(st.sampled_from(Level), max_size=3)), (Vector, st.builds(Vector, st.just([0.5, 2])))],
    [(GeoPoint, points), (dict[str, dt.date], st.dictionaries(keys, st.dates(), max_size=3))],
]
CONTAINERS = [
    "list",
    "set",
    "frozenset",
    "tuple",
    "fixed",
    "dict",
    "map",
    "dataclass",
    "typeddict",
    "pair",
    "optional",
    "union",
    "tagged",
]


def optional(case: Case) -> Case:
    return Optional[case[0]], st.none() | case[1]


def has_array(annotation: Any) -> bool:
    text = repr(annotation)
    return any(word in text.replace("typing.", "") for word in ("list[", "set[", "tuple[", "Pair", "Vector", "Any"))


@st.composite
def cases(draw: st.DrawFn, depth: int = 0, what: str = "") -> Case:
    """A type and its values.

    They include NaN, which equals nothing, only if `what` is `"nan"`; with `"json"`, they are those that JSON can hold.
    """
    hashable, every = LEAVES[what]
    if depth > 2 or draw(st.booleans()):
        return draw(st.sampled_from(every) | st.sampled_from(every[:-1]).map(optional))
    kind = draw(st.sampled_from(CONTAINERS))
    if kind in ("set", "frozenset"):
        annotation, values = draw(st.sampled_from(hashable))
        make: Any = st.sets if kind == "set" else st.frozensets
        return {"set": set, "frozenset": frozenset}[kind][annotation], make(values, max_size=3)  # type: ignore[index]
    if kind == "pair":
        return Pair, st.builds(Pair, int64, st.none() | st.text(max_size=3))
    if kind == "typeddict":
        return Options, st.fixed_dictionaries({}, optional={"color": st.sampled_from(Color), "when": st.dates()})
    if kind == "fixed":
        chosen = draw(st.lists(st.sampled_from(hashable), max_size=3))
        return tuple[tuple(annotation for annotation, _ in chosen)], st.tuples(*(values for _, values in chosen))  # type: ignore[misc]
    if kind == "tagged":
        return draw(tagged(depth, what))
    if kind == "union":
        if what == "json":
            groups = draw(st.lists(st.sampled_from(JSON_MEMBERS), min_size=2, max_size=4, unique_by=id))
            members = [draw(st.sampled_from(group)) for group in groups]
        else:
            members = draw(st.lists(st.sampled_from(MEMBERS), min_size=2, max_size=4, unique=True))
        return Union[tuple(annotation for annotation, _ in members)], st.one_of(*(values for _, values in members))
    inner, values = draw(cases(depth + 1, what))
    if kind in ("list", "tuple"):
        if has_array(inner):
            inner, values = draw(st.sampled_from(hashable))
        listed = st.lists(values, max_size=3)
        return (list[inner], listed) if kind == "list" else (tuple[inner, ...], listed.map(tuple))  # type: ignore[valid-type]
    if kind == "dict":
        return dict[str, inner], st.dictionaries(keys, values, max_size=3)  # type: ignore[valid-type]
    if kind == "optional":
        return (inner, values) if inner is Any else optional((inner, values))
    if kind == "dataclass":
        made = make_dataclass("Data", [("x", inner), ("y", int, 3)])
        return made, st.builds(made, x=values, y=int64)
    alias = draw(keys.filter(lambda key: key not in ("b", "id")))
    part = make_map({"a": (inner, field(alias=alias)), "b": (int, field(default=0)), "id": Optional[str]})
    return part, st.builds(part, a=values, b=int64, id=st.none() | st.text(max_size=3))


typed_dict: Any = TypedDict
"""Called with names that checkers can't know."""


TAGS: list[Any] = ["a", "b", "", "quoted 'tag'", 0, 1, -5, True, False, b"a", Color.RED, Color.BLUE, Level.HIGH]
"""Among them are some that are equal and of other types; no two are stored alike."""


@st.composite
def tagged(draw: st.DrawFn, depth: int = 0, what: str = "") -> Case:
    """A union of classes that a `Literal` tells apart, and its values."""
    tags = draw(st.lists(st.sampled_from(TAGS), min_size=2, max_size=4, unique_by=lambda tag: (type(tag), tag)))
    alias = draw(st.sampled_from(["tag", "$type", "kind"]))
    styles = ["map", "dataclass", "typeddict"] if alias == "tag" else ["map"]
    members: list[Any] = []
    values: list[st.SearchStrategy[Any]] = []
    for tag in tags:
        inner, some = draw(cases(depth + 1, what))
        literal: Any = Literal[tag]
        style = draw(st.sampled_from(styles))
        name = f"Member{len(members)}"
        member: Any
        if style == "typeddict":
            member = typed_dict(name, {"tag": literal, "x": inner})
            values.append(st.fixed_dictionaries({"tag": st.just(tag), "x": some}))
        else:
            if style == "map":
                member = make_map({"tag": (literal, field(alias=alias)), "x": (inner, field(alias="x y"))}, name)
            else:
                member = make_dataclass(name, [("tag", literal), ("x", inner)])
            values.append(st.builds(member, tag=st.just(tag), x=some))
        members.append(member)
    return Union[tuple(members)], st.one_of(values)


def holds_enums(annotation: Any) -> bool:
    """Whether values of a type are enums or contain some, outside of classes."""
    if isinstance(annotation, type) and get_origin(annotation) is None:
        return issubclass(annotation, enum.Enum)
    return get_origin(annotation) is not Literal and any(map(holds_enums, get_args(annotation)))


@st.composite
def documents(draw: st.DrawFn, what: str = "") -> Any:
    """An instance of some model, with values of some kind, as in `cases`."""
    count = draw(st.integers(1, 3))
    fields: dict[str, Any] = {}
    values: dict[str, Any] = {}
    for index in range(count):
        annotation, strategy = draw(cases(what=what))
        # Only fields that may hold enums say how these are stored.
        how = draw(st.sampled_from(["value", "name"] if holds_enums(annotation) else ["value"]))
        value = draw(strategy)
        default: Any = draw(st.sampled_from([{}, {"default_factory": lambda value=value: value}]))
        fields[f"f{index}"] = (annotation, field(alias=f"alias {index}", enum_by=how, **default))  # type: ignore[call-overload]
        values[f"f{index}"] = value
    options = {"frozen": draw(st.booleans()), "extra": draw(st.sampled_from(["ignore", "forbid", "keep"]))}
    return make_model(fields, **options)(id=draw(st.none() | parts), **values)
