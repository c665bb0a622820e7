"""Fields that a database stores in parts, under names with a dot: a problem where the decode options say so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, NamedTuple

import pytest
from cendry import Cendry, DecodeError, Field, FieldPath, Map, Model, ValidationError, field
from cendry._immutable import replace
from cendry._types.kinds import Mismatch
from cendry.backend import DocumentResult
from cendry.codec import codec_for
from cendry.codec.reading import STORED, Reading
from cendry.codec.resolve import declared_inside
from cendry.plan import QueryPlan, parts_of

from .recording import RecordingBackend

PARTS = Reading(parts="use the other form")


class Address(Map):
    street: Field[str | None] = field(default=None)
    city: Field[str | None] = field(default=None, alias="town")


class Tree(Map):
    name: Field[str] = field(default="")
    children: Field[list[Tree]] = field(default_factory=list)


class Line(NamedTuple):
    address: Address
    number: int


class User(Model, collection="users"):
    name: Field[str]
    home: Field[Address | None] = field(default=None)
    others: Field[list[Address]] = field(default_factory=list)
    street: Field[str | None] = field(default=None, alias="work.street")
    work: Field[Address | None] = field(default=None)
    free: Field[dict[str, Any] | None] = field(default=None)
    line: Field[Line | None] = field(default=None)
    tree: Field[Tree | None] = field(default=None)
    pair: Field[tuple[Address, Any] | None] = field(default=None)


class Post(Model, collection="posts"):
    seen: ClassVar[list[Any]] = []
    home: Field[Address | None] = field(default=None)

    def __post_init__(self) -> None:
        self.seen.append(self.home)


@pytest.mark.parametrize(
    ("names", "declared", "found"),
    [
        (["a", "a.b", "a.c", "b.c"], {"a"}, {"a": ["a.b", "a.c"]}),
        (["a.b.c"], {"a", "a.b"}, {"a": ["a.b.c"], "a.b": ["a.b.c"]}),
        (["a.b"], {"a", "a.b"}, {}),
        (["ab.c", ".a", "a"], {"a"}, {}),
    ],
)
def test_parts_of_declared_names(names: list[str], declared: set[str], found: dict[str, list[str]]) -> None:
    assert found == parts_of(names, declared)


@pytest.mark.parametrize(
    ("data", "where"),
    [
        ({"home.street": "x"}, "home"),
        ({"home": None, "home.street": "x"}, "home"),
        ({"others.town": ["x"], "others.street": ["y"]}, "others"),
        ({"home": {"street.x": 1}}, "home.street"),
        ({"others": [{}, {"town.x": 1}]}, r"others\[1\].city"),
        ({"work.town": "x", "work.street": "y"}, "work"),
        ({"line": [{"street.x": 1}, 2]}, r"line\[0\].street"),
    ],
)
def test_a_field_that_is_stored_in_parts_is_a_problem(data: dict[str, Any], where: str) -> None:
    codec = codec_for(User)
    stored = {"name": "Ada", **data}
    message = rf"{where}: expected .*, found only parts of it, '.*: use the other form"
    with pytest.raises(DecodeError, match=f"Document 'users/a' .*{message}"):
        codec.explain_decode(Mismatch(), stored, "a", "users/a", PARTS)
    with pytest.raises(ValidationError, match=message):
        codec.decoder(PARTS)(stored, "a")
    assert "Ada" == codec.decode(stored, "a").name


@pytest.mark.parametrize(
    "data",
    [
        {"home": {"street": "x"}, "home.street": "y"},
        {"others": [], "others.street": ["x"]},
        {"work.street": "x"},
        {"homes.street": "x", "other": 1},
        {"free": {"a.b": 1, "a": None}},
    ],
)
def test_other_names_with_a_dot_are_none(data: dict[str, Any]) -> None:
    codec, stored = codec_for(User), {"name": "Ada", **data}
    assert codec.decode(stored, "a") == codec.decoder(PARTS)(stored, "a")


def test_a_constructor_is_not_run_on_parts() -> None:
    codec = codec_for(Post)
    with pytest.raises(ValidationError, match="home: expected"):
        codec.decoder(PARTS)({"home.street": "x"}, "a")
    assert Post.seen == []
    assert Address() == codec.decoder(PARTS)({"home": {}}, "a").home
    assert [Address()] == Post.seen


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("home", {"home.street": "x"}, DecodeError),
        ("home.street", {"home.street": "x"}, DecodeError),
        ("home.street", {"home": {"street.y": 1}}, DecodeError),
        ("others", {"others": [{"street.y": 1}]}, DecodeError),
        ("home", {"home": {"street": "x"}}, Address(street="x")),
        ("home", {}, None),
        ("name", {"name": "Ada", "home.street": "x"}, "Ada"),
    ],
)
def test_a_single_field(name: str, data: dict[str, Any], expected: Any) -> None:
    found = codec_for(User).resolve_text(name)
    if expected is DecodeError:
        with pytest.raises(DecodeError, match="Document 'users/a' .*only parts of it"):
            found.read(data, "users/a", PARTS)
        found.read(data, "users/a", STORED)
    else:
        assert expected == found.read(data, "users/a", PARTS)


@pytest.mark.parametrize(
    ("name", "inside"),
    [
        ("name", []),
        ("home", ["home.street", "home.town"]),
        ("others", ["others.street", "others.town"]),
        ("free", None),
        ("tree", None),
        ("line", ["line.street", "line.town"]),
        ("pair", None),
    ],
)
def test_what_is_declared_inside_a_field(name: str, inside: list[str] | None) -> None:
    found = codec_for(User).resolve_text(name)
    expected = None if inside is None else tuple(FieldPath(*one.split(".")) for one in inside)
    assert expected == declared_inside(found.shape, found.path)


def test_projections_name_the_parts_of_their_maps() -> None:
    backend = RecordingBackend()
    query = Cendry(backend=backend).select(User)
    query.project(User.name, User.home).to_list()
    query.project(User.name, User.free).to_list()
    query.project("home.street").to_list()
    parts = [plan.parts for _, plan in backend.calls]
    assert [(FieldPath("home", "street"), FieldPath("home", "town")), None, ()] == parts


class InParts(DocumentResult):
    """A result of a database that stores fields in parts."""

    reading = PARTS


class Partly(RecordingBackend):
    """A database that does."""

    def run(self, plan: QueryPlan, **options: Any) -> Iterator[DocumentResult]:
        for result in super().run(replace(plan, projection=None), **options):
            yield InParts(result.path, result.data)


def test_rows_are_read_by_the_options_of_their_database() -> None:
    backend = Partly()
    backend.put("users/a", {"name": "Ada", "home": {"street": "x"}})
    backend.put("users/b", {"name": "Bob", "home.street": "x"})
    errors: list[DecodeError] = []
    query = Cendry(backend=backend).select(User, on_error=errors.append)
    assert [{"id": "a", "home": Address(street="x")}] == query.project("id", User.home).to_list()
    assert [("a", "Ada", "x")] == query.values("id", User.name, "home.street").to_list()
    assert ["Ada", "Bob"] == query.values(User.name, flat=True).to_list()
    assert [("users/b", "home"), ("users/b", "home.street")] == [(one.path, one.field) for one in errors]
