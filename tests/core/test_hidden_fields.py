"""`field(repr=, compare=, hash=, metadata=)`, and that the value of a field with `repr=False` is shown nowhere."""

from __future__ import annotations

import dataclasses
import pickle
import traceback
from collections.abc import Callable
from datetime import datetime
from types import MappingProxyType
from typing import Annotated, Any, cast

import annotated_types
import attrs
import pydantic
import pydantic.dataclasses
import pytest
from cendry import (
    SERVER_TIMESTAMP,
    And,
    ArrayUnion,
    Cendry,
    CendryError,
    Comparison,
    DecodeError,
    Field,
    FieldPath,
    ForeignReferenceError,
    Map,
    MemoryBackend,
    Model,
    Or,
    Query,
    Ref,
    TypeRegistry,
    field,
    from_dict,
    to_dict,
    validate,
)
from cendry._context.writes import Pending, name_reference
from cendry._model.model import fields_of
from cendry._query.builders import spec_of
from cendry._query.compile import compiled
from cendry._types.registry import default_registry
from cendry.backend import DocumentResult
from cendry.codec import codec_for
from cendry.plan import Create, Delete, FieldTransform, Set, Update
from cendry.values import Increment
from making import one_field

SECRET = "hunter2"
ODD: Any = {SECRET}
"""A secret of a type that no field has."""


class Key:
    """A value with a handler that complains about what it gets."""

    def __init__(self, text: str) -> None:
        self.text = text


def refuse_key(value: Any) -> Any:
    raise ValueError(f"bad key {value.text if isinstance(value, Key) else value}")


KEYS = TypeRegistry()
KEYS.register(Key, serialize=refuse_key, deserialize=refuse_key)


class Login(Map, type_registry=KEYS):
    user: Field[str]
    password: Field[str | None] = field(default=None, repr=False, alias="pw")
    key: Field[Key | None] = field(default=None, repr=False)


class Safe(Map):
    number: Field[int]
    by_name: Field[dict[str, int]] = field(default_factory=dict)


class Account(Model, collection="accounts"):
    name: Field[str]
    password: Field[str] = field(repr=False, alias="pw-1")
    pin: Field[int] = field(default=0, repr=False)
    login: Field[Login | None] = field(default=None)
    logins: Field[list[Login]] = field(default_factory=list)
    safe: Field[Safe | None] = field(default=None, repr=False)
    codes: Field[dict[str, int]] = field(default_factory=dict, repr=False)
    tags: Field[list[str]] = field(default_factory=list, repr=False)


class Refusing(Model, collection="refusing"):
    password: Field[str] = field(repr=False)

    def __post_init__(self) -> None:
        raise ValueError("not today")


def account(**values: Any) -> Account:
    return Account(**{"id": "a", "name": "n", "password": "p", **values})


def everything_about(error: BaseException) -> str:
    return "\n".join([repr(error), str(vars(error)), *traceback.format_exception(error)])


def refused(call: Callable[[], object]) -> CendryError:
    with pytest.raises(CendryError) as caught:
        call()
    assert SECRET not in everything_about(caught.value)
    return caught.value


@pytest.fixture
def backend() -> MemoryBackend:
    return MemoryBackend()


@pytest.fixture
def ctx(backend: MemoryBackend) -> Cendry:
    return Cendry(backend=backend)


# The options of dataclasses


def test_options_are_those_of_dataclasses() -> None:
    class Point(Model, collection="points", unsafe_hash=True, order=True):
        x: Field[int] = field(metadata={"description": "left"})
        y: Field[int] = field(default=0, compare=False)
        z: Field[int] = field(default=0, hash=False)
        tags: Field[list[str]] = field(default_factory=list, repr=False, hash=False)

    assert Point(x=1, y=2) == Point(x=1, y=3)
    assert hash(Point(x=1, z=2)) == hash(Point(x=1, z=3, tags=["a"]))
    assert Point(id="a", x=1, y=9) < Point(id="a", x=2, y=0)
    assert f"{Point.__qualname__}(id=None, x=1, y=0, z=0)" == repr(Point(x=1))
    declared = {each.name: each for each in dataclasses.fields(Point)}
    assert MappingProxyType({"description": "left"}) == declared["x"].metadata == fields_of(Point)["x"].metadata
    assert (False, False) == (declared["y"].compare, declared["z"].hash)
    assert [True, True, True, False] == [each.repr for each in fields_of(Point).values()]


def test_options_are_inherited_and_may_be_given_in_the_annotation() -> None:
    class Sub(Account, collection="subs"):
        token: Field[str] = field(default=SECRET, repr=False)

    sub = Sub(name="n", password=SECRET)
    assert SECRET not in repr(sub)
    assert SECRET not in repr(Sub.password == SECRET)


def test_metadata_is_a_mapping() -> None:
    with pytest.raises(TypeError, match=r"Bad\.x: metadata= takes a mapping, not \['a'\]"):

        class Bad(Map):
            x: Field[int] = field(default=0, metadata=["a"])  # type: ignore[call-overload]


# Reprs


def test_instances() -> None:
    login = Login(user="u", password=SECRET)
    shown = repr(account(password=SECRET, login=login, logins=[login], codes={SECRET: 1}))
    assert "Account(id='a', name='n', login=Login(user='u'), logins=[Login(user='u')])" == shown


@pytest.mark.parametrize(
    ("shown", "one"),
    [
        ("Account.password == ...", Account.password == SECRET),
        ("Account.password.is_in(...)", Account.password.is_in([SECRET])),
        ("Account.tags.array_contains(...)", Account.tags.array_contains(SECRET)),
        ("(Account.password >= ...) & (Account.password < ...)", Account.password.startswith(SECRET)),
        ("Account.login[Login.password] != ...", Account.login[Login.password] != SECRET),
        ("Account.codes['k'] == ...", Account.codes["k"] == 1234),
        ("Account.safe[Safe.number] > ...", Account.safe[Safe.number] > 1234),
        ("Account.login == ...", Account.login == Login(user="u", password=SECRET)),
        ("Account.logins.array_contains(...)", Account.logins.array_contains(cast("Any", {"pw": SECRET}))),
        ("Account.login[Login.password].is_null()", Account.login[Login.password].is_null()),
        ("Account.name == 'n'", Account.name == "n"),
    ],
)
def test_filters(shown: str, one: Any) -> None:
    assert shown == repr(one)
    assert one == pickle.loads(pickle.dumps(one))
    assert shown in repr(Query(Account, one))


def test_a_filter_on_a_field_of_an_unknown_type_shows_nothing() -> None:
    class Later(Model, collection="later"):
        x: Field[Missing] = field(default=None)  # type: ignore[name-defined]  # noqa: F821

    assert "Later.x == ..." == repr(Later.x == SECRET)


@pytest.mark.parametrize(
    "path", [FieldPath("pw-1"), FieldPath("login", "pw"), FieldPath("login"), FieldPath("codes", "k")], ids=str
)
def test_a_query_shows_no_value_of_a_stored_path(path: FieldPath) -> None:
    one = Comparison(path, "==", SECRET)
    assert f"Query(Account, Comparison({path!r}, '==', ...))" == repr(Query(Account, one))
    both = Query(Account, (one & (Account.name == "n")) | (Account.name == "m"))
    assert SECRET not in repr(both)
    assert eval(repr(both).replace("...", repr(SECRET)), {**globals(), "And": And, "Or": Or}) == both
    odd = Query(Account, Comparison(path, "==", {SECRET}))
    refused(lambda: compiled(spec_of(odd), default_registry))


def test_stored_paths_beside_hidden_fields_are_shown() -> None:
    query = Query(Account, Comparison(FieldPath("name"), "==", "n"), Comparison(FieldPath("login", "user"), "==", "u"))
    assert query == eval(repr(query), globals())


def test_cursors() -> None:
    query = Query(Account, order_by=[Account.password, Account.name])
    assert "start_at={'password': ..., 'name': 'n'}" in repr(query.start_at({"password": SECRET, "name": "n"}))
    assert "end_at={'password': ..., 'name': 'n', 'id': 'a'}" in repr(query.end_at(account(password=SECRET)))
    by_path = Query(Account, order_by=FieldPath("pw-1")).start_at({FieldPath("pw-1"): SECRET})
    assert SECRET not in repr(by_path)
    assert SECRET not in repr(spec_of(query.start_at({"password": SECRET})))
    by_map = Query(Account, order_by=Account.login).start_at({"login": {"pw": SECRET}})
    assert "start_at={'login': ...}" in repr(by_map)


def test_plans_and_results() -> None:
    query = Query(Account, Account.password == SECRET, order_by="password").start_at({"password": SECRET})
    plan = compiled(spec_of(query), default_registry).plan
    data, path = {"pw-1": SECRET}, FieldPath("pw-1")
    transform = FieldTransform(path, Increment(1234))
    for one in (plan, Set("a/b", data), Create("a/b", data, (transform,)), Update("a/b", data, (path,))):
        assert SECRET not in repr(one)
        assert "1234" not in repr(one)
    assert "DocumentResult(path='a/b', create_time=None, update_time=None, read_time=None)" == repr(
        DocumentResult("a/b", data)
    )


# Errors


@pytest.mark.parametrize(
    ("path", "expected", "values"),
    [
        ("password", "str", {"password": [SECRET]}),
        ("pin", "int", {"pin": SECRET}),
        ("codes", "dict of str to int", {"codes": {SECRET: "x", "b": SECRET}}),
        ("codes", "dict of str to int", {"codes": {f"__{SECRET}__": 1}}),
        ("tags", "list of str", {"tags": [SECRET, 1, 2, 3]}),
        ("safe", "Safe or None", {"safe": Safe(number=ODD, by_name={SECRET: ODD})}),
        ("login.password", "str or None", {"login": Login(user="u", password=ODD)}),
        ("login.key", "Key or None", {"login": Login(user="u", key=Key(SECRET))}),
        ("logins[0].password", "str or None", {"logins": [Login(user="u", password=ODD)]}),
        ("login", "Login", {"login": {"user": "u", "password": SECRET}}),
        ("logins", "list of Login", {"logins": {"password": SECRET}}),
    ],
)
def test_writes(ctx: Cendry, path: str, expected: str, values: dict[str, Any]) -> None:
    for call in (lambda: ctx.save(account(**values)), lambda: to_dict(account(**values))):
        [problem] = cast("Any", refused(call)).problems
        assert (path, expected) == (problem.path, problem.expected)
        assert problem.found.startswith("a value that is not shown")
    name, value = next(iter(values.items()))
    error: Any = refused(lambda: ctx.update(Account, "a", {name: value}))
    assert SECRET not in f"{error.field} {error.expected} {error.found}"


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("password", {"password": 1, "name": "n"}),
        ("pin", {"pin": SECRET}),
        ("codes", {"codes": {SECRET: SECRET}}),
        ("tags", {"tags": SECRET}),
        ("safe", {"safe": {"number": SECRET, "by_name": {SECRET: SECRET}, SECRET: 1}}),
        ("safe", {"safe": Safe(number=ODD)}),
        ("login", {"login": [{"user": "u", "password": SECRET}]}),
        ("login.key", {"login": {"user": "u", "key": SECRET}}),
        ("logins", {"logins": {"user": "u", "password": SECRET}}),
        ("logins[1]", {"logins": [{"user": "u", "password": SECRET}, {SECRET}]}),
    ],
)
def test_data_from_outside(path: str, data: dict[str, Any]) -> None:
    whole = {"name": "n", "password": "p", **data}
    error: Any = refused(lambda: from_dict(Account, whole))
    assert [(path, "a value that is not shown")] == [(one.path, one.found[:25]) for one in error.problems]
    assert [*error.problems] == validate(Account, whole)


def test_what_is_missing_is_named() -> None:
    [problem] = validate(Account, {"name": "n"})
    assert ("password", "nothing", "missing") == (problem.path, problem.found, problem.code)


def test_problems_of_other_fields_are_shown() -> None:
    found = validate(Account, {"name": 1, "password": 2, "safe": {}, "tags": [1, 2], "other": 3})
    shown = [(one.path, one.found) for one in found]
    hidden = "a value that is not shown"
    assert [("name", "int 1"), ("password", hidden), ("safe", hidden), ("tags", hidden)] == shown[:4]
    assert "other" == shown[4][0]


@pytest.mark.parametrize(
    "stored",
    [
        {"name": "n", "pw-1": [SECRET]},
        {"name": "n", "pw-1": "p", "codes": {SECRET: SECRET}},
        {"name": "n", "pw-1": "p", "login": {"user": "u", "key": SECRET}},
        {"name": "n", "pw-1": "p", "login": [{"pw": SECRET}]},
    ],
)
def test_stored_documents(backend: MemoryBackend, ctx: Cendry, stored: dict[str, Any]) -> None:
    backend.commit([Set("accounts/a", stored)])
    error = refused(lambda: ctx.get(Account, "a"))
    assert isinstance(error, DecodeError)
    assert "a value that is not shown" in error.found
    name = error.field.partition(".")[0]
    refused(lambda: list(ctx.select(Account).project(name)))


def test_what_a_hook_refuses(backend: MemoryBackend, ctx: Cendry) -> None:
    backend.commit([Set("refusing/a", {"password": SECRET})])
    assert "a value that is not shown (ValueError: not today)" in str(refused(lambda: ctx.get(Refusing, "a")))
    assert "not today" in str(refused(lambda: from_dict(Refusing, {"password": SECRET})))


@pytest.mark.parametrize(
    "one",
    [
        lambda: Account.password == {SECRET},
        lambda: Account.password.is_in([SECRET, ODD]),
        lambda: Account.tags.array_contains(ODD),
        lambda: Account.login[Login.password] == {SECRET},
        lambda: Account.login == {"password": SECRET, "user": 5},
        lambda: Account.codes[SECRET.upper()] == SECRET,
        lambda: Account.login[Login.key] == Key(SECRET),
    ],
)
def test_values_of_filters(ctx: Cendry, one: Any) -> None:
    refused(lambda: ctx.select(Account, one()).to_list())


def test_mistakes_in_filters() -> None:
    for call in (
        lambda: Account.password.is_in(cast("Any", SECRET)),
        lambda: Account.password == Increment(1234),
        lambda: Comparison(cast("Any", Account.password), "is-null", SECRET),
    ):
        with pytest.raises(TypeError) as caught:
            call()
        assert "..." in str(caught.value)
        assert SECRET not in str(caught.value)
        assert "1234" not in str(caught.value)
    with pytest.raises(TypeError, match="not 'x'"):
        Account.name.is_in(cast("Any", "x"))
    with pytest.raises(TypeError, match=r"FieldPath\('a'\).is_in\(\) takes a list of values, not 'x'"):
        Comparison(FieldPath("a"), "in", "x")


def test_transforms_where_none_can_be(ctx: Cendry) -> None:
    error = refused(lambda: ctx.save(account(codes={"a": Account.name, "b": SERVER_TIMESTAMP})))
    assert "a value that is not shown" in str(error)


def test_a_class_without_hidden_fields_costs_nothing() -> None:
    class Plain(Model, collection="plain"):
        seen: Field[datetime | None] = field(default=None)

    assert codec_for(Plain).hides is False
    assert codec_for(Account).hides is True


# Rules, changes, and classes of other libraries


class Ruled(Model, collection="ruled"):
    password: Field[Annotated[str, annotated_types.MinLen(20)]] = field(repr=False)
    pins: Field[Annotated[list[Login], annotated_types.MinLen(5)]] = field(default_factory=list)


def test_rules() -> None:
    data = {"password": SECRET, "pins": [{"user": "u", "password": SECRET}]}
    found = validate(Ruled, data)
    assert ["password", "pins"] == [one.path for one in found]
    assert {"a value that is not shown"} == {one.found for one in found}
    refused(lambda: from_dict(Ruled, data))


def test_typed_changes(ctx: Cendry) -> None:
    assert "Account.password.set(...)" == repr(Account.password.set(SECRET))
    assert "Account.login.set(...)" == repr(Account.login.set(Login(user="u", password=SECRET)))
    assert "Account.name.set('n')" == repr(Account.name.set("n"))
    refused(lambda: ctx.update(Account, "a", Account.pin.set(ODD)))
    error = refused(lambda: ctx.get_or_create(Account, "a", defaults={"tags": ArrayUnion([SECRET])}))
    assert str(error).startswith("ArrayUnion changes what is stored")
    with pytest.raises(TypeError, match="not a list"):
        ctx.update(Account, "a", cast("Any", [("password", SECRET)]))
    with pytest.raises(TypeError, match=r"takes a str, not \.\.\."):
        Account.password.startswith(cast("Any", 1234))


@dataclasses.dataclass
class PlainLogin:
    user: str
    password: str = dataclasses.field(repr=False)


@attrs.define
class AttrsLogin:
    user: str
    password: str = attrs.field(repr=False)


class PydanticLogin(pydantic.BaseModel):
    user: str
    password: str = pydantic.Field(repr=False, max_length=3)


@pydantic.dataclasses.dataclass
class PydanticDataclass:
    user: str
    password: str = pydantic.Field(repr=False, max_length=3)


@pytest.mark.parametrize("cls", [PlainLogin, AttrsLogin, PydanticLogin, PydanticDataclass])
def test_classes_of_other_libraries_hide_theirs(cls: Any) -> None:
    model = one_field(cls)
    refused(lambda: from_dict(model, {"x": {"user": "u", "password": ODD}}))
    refused(lambda: from_dict(model, {"x": {"user": "u", "password": [SECRET]}}))
    refused(lambda: from_dict(model, {"x": [{"user": "u", "password": SECRET}]}))
    refused(lambda: codec_for(model).decode({"x": {"user": "u", "password": [SECRET]}}))
    if "Pydantic" in cls.__name__:
        refused(lambda: from_dict(model, {"x": {"user": "u", "password": SECRET}}))
        refused(lambda: codec_for(model).decode({"x": {"user": "u", "password": SECRET}}))


# References into other databases


class Route(Model, collection="routes"):
    number: Field[int] = field(default=0)
    start: Field[Ref[Any] | None] = field(default=None, repr=False)
    stops: Field[list[Ref[Any]]] = field(default_factory=list, repr=False)


FOREIGN: Ref[Any] = Ref.from_path(f"stops/{SECRET}", database="projects/other/databases/there")


def test_of_several_writes_the_one_with_the_reference_is_named(ctx: Cendry) -> None:
    batch = ctx.batch()
    batch.delete(Route, "x")
    batch.update(Route, "y", {Route.number: Increment(1), Route.stops: ArrayUnion([Ref.from_path("stops/here")])})
    batch.update(Route, "z", {Route.number: Increment(1), Route.stops: ArrayUnion([FOREIGN])})
    error = refused(batch.commit)
    assert isinstance(error, ForeignReferenceError)
    assert ("Route", "stops", "routes/z", None) == (error.model, error.field, error.path, error.reference)


def test_an_error_about_a_reference_in_no_write_stays_as_it_is() -> None:
    error = ForeignReferenceError(FOREIGN, "projects/p/databases/d")
    before = str(error)
    name_reference(error, [Pending(Delete("routes/x"))])
    assert (before, FOREIGN, None) == (str(error), error.reference, error.path)
