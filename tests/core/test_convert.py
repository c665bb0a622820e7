"""`from_dict`, `to_dict` and `validate`."""

from __future__ import annotations

import decimal
import enum
import time
from collections import UserDict, defaultdict
from datetime import datetime, timezone
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Generic, TypeVar

import pytest
from cendry._model.fields import Field, field
from cendry._model.model import Map, Model
from cendry.convert import from_dict, json_schema, to_dict, validate
from cendry.errors import CendryError, InvalidDocumentIdError, InvalidValueError, Problem, ValidationError

MOMENT = datetime(2024, 5, 6, tzinfo=timezone.utc)


class Status(enum.Enum):
    OPEN = "open"


class Mayor(Map):
    name: Field[str] = field(alias="fullName")
    id: Field[int] = field(default=0)


class City(Model, collection="cities"):
    name: Field[str] = field(alias="displayName")
    status: Field[Status] = field(enum_by="name")
    mayor: Field[Mayor | None] = field(default=None)
    mayors: Field[dict[str, list[Mayor]]] = field(default_factory=dict)
    created: Field[datetime] = field(auto_now_add=True)


class Loose(Model, collection="loose", extra="keep"):
    x: Field[int] = field(default=0)


class Hooked(Model, collection="hooked"):
    x: Field[int]

    def __post_init__(self) -> None:
        if self.x < 0:
            raise LookupError("negative")


CITY = City(
    id="SF",
    name="San Francisco",
    status=Status.OPEN,
    mayor=Mayor(name="M", id=1),
    mayors={"a": [Mayor(name="N")]},
    created=MOMENT,
)
BY_NAME = {
    "name": "San Francisco",
    "status": "OPEN",
    "mayor": {"name": "M", "id": 1},
    "mayors": {"a": [{"name": "N", "id": 0}]},
    "created": MOMENT,
}
BY_ALIAS = {
    "displayName": "San Francisco",
    "status": "OPEN",
    "mayor": {"fullName": "M", "id": 1},
    "mayors": {"a": [{"fullName": "N", "id": 0}]},
    "created": MOMENT,
}


def test_to_dict() -> None:
    assert BY_NAME == to_dict(CITY)
    assert BY_ALIAS == to_dict(CITY, by_alias=True)
    assert {"id": "SF", **BY_NAME} == to_dict(CITY, include_id=True)
    assert {"id": "SF", **BY_ALIAS} == to_dict(CITY, include_id=True, by_alias=True)
    assert {"id": None, "x": 0} == to_dict(Loose(), include_id=True)
    assert ["id", "name"] == list(to_dict(CITY, include_id=True))[:2]
    assert {"name": "M", "id": 1} == to_dict(CITY.mayor, include_id=True)  # type: ignore[arg-type]


def test_from_dict() -> None:
    assert CITY == from_dict(City, BY_NAME, doc_id="SF")
    assert CITY == from_dict(City, BY_ALIAS, doc_id="SF", by_alias=True)
    assert CITY == from_dict(City, {"id": "SF", **BY_NAME}, include_id=True)
    assert CITY == from_dict(City, {"id": "SF", **BY_ALIAS}, include_id=True, by_alias=True)
    assert CITY == from_dict(City, {"id": "other", **BY_NAME}, doc_id="SF", include_id=True)
    assert from_dict(City, BY_NAME, include_id=True).id is None
    assert from_dict(City, {"id": None, **BY_NAME}, include_id=True).id is None
    assert Mayor(name="M", id=1) == from_dict(Mayor, {"name": "M", "id": 1}, include_id=True)


def test_python_values_are_taken_as_well_as_stored_ones() -> None:
    data = {
        "name": "San Francisco",
        "status": Status.OPEN,
        "mayor": CITY.mayor,
        "mayors": CITY.mayors,
        "created": MOMENT,
    }
    assert CITY == from_dict(City, data, doc_id="SF")


def test_any_mapping_is_taken() -> None:
    for data in (MappingProxyType(BY_NAME), UserDict(BY_NAME), defaultdict(lambda: 3, BY_NAME)):
        assert CITY == from_dict(City, data, doc_id="SF")
        assert [] == validate(City, data)
    incomplete = defaultdict(lambda: "x", {"name": "x"})
    with pytest.raises(ValidationError, match=r"City\.status: .*, found nothing"):
        from_dict(City, incomplete)
    assert {"name": "x"} == incomplete


def test_data_that_is_no_mapping_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"^City: expected a dict of the fields of City, found list \[1\]\.$"):
        from_dict(City, [1])  # type: ignore[arg-type]
    assert [Problem("", "a dict of the fields of City", "str 'x'")] == validate(City, "x")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="is neither a Model nor a Map"):
        from_dict(int, {})  # type: ignore[type-var]
    with pytest.raises(TypeError, match="is neither a Model nor a Map"):
        to_dict(3)  # type: ignore[arg-type]


T = TypeVar("T")


class Box(Map, Generic[T]):
    content: Field[T]


def test_what_is_no_class_is_refused() -> None:
    no_class: Any
    for no_class in (3, CITY, "City"):
        with pytest.raises(TypeError, match=r"is neither a Model nor a Map; pass a class\.$"):
            from_dict(no_class, {})
    message = r"^Box\[int\] has no instances of its own; define a subclass, class Name\(Box\[int\]\), and pass that\.$"
    with pytest.raises(TypeError, match=message):
        json_schema(Box[int])
    with pytest.raises(TypeError, match=message):
        validate(Box[int], {})


def test_all_missing_fields_are_listed_at_any_depth() -> None:
    with pytest.raises(ValidationError) as caught:
        from_dict(City, {"mayor": {}, "mayors": {"a b": [{"name": "x"}, {"id": 1}]}})
    missing = ["name", "status", "mayor.name", "mayors.`a b`[1].name"]
    assert missing == [problem.path for problem in caught.value.problems if problem.code == "missing"]
    assert (
        "City.name: expected str, found nothing; status: expected Status by name ('OPEN'), found nothing; "
        "mayor.name: expected str, found nothing; and 1 more problem (see .problems)." == str(caught.value)
    )
    with pytest.raises(ValidationError) as caught:
        from_dict(City, {"status": "OPEN", "mayor": {"fullName": "x"}}, by_alias=True)
    assert ("displayName", "missing") == (caught.value.field, caught.value.problems[0].code)
    with pytest.raises(ValidationError) as caught:
        from_dict(City, {"status": "OPEN", "nmae": 3})
    assert [("name", "missing", ()), ("nmae", "unknown", ("name",))] == [
        (problem.path, problem.code, problem.nearest) for problem in caught.value.problems
    ]


def test_unknown_keys_are_refused_unless_told_otherwise() -> None:
    with pytest.raises(ValidationError, match=r"City\.staus: .* found the key 'staus' \(did you mean 'status'\?\)"):
        from_dict(City, {**BY_NAME, "staus": 1})
    with pytest.raises(ValidationError, match=r"City\.mayor\.nam: ") as caught:
        from_dict(City, {**BY_NAME, "mayor": {"name": "x", "nam": 1}})
    assert ("mayor.name",) == caught.value.problems[0].nearest
    with pytest.raises(ValidationError, match=r"City\.displayName: "):
        from_dict(City, {**BY_NAME, "displayName": 1})
    with pytest.raises(ValidationError, match=r"Loose\.y: "):
        from_dict(Loose, {"y": 1})
    for extra in ("ignore", "keep"):
        assert Loose() == from_dict(Loose, {"y": 1}, extra=extra)
        more = {**BY_NAME, "more": 1, "mayor": {"name": "M", "id": 1, "more": 1}}
        assert CITY == from_dict(City, more, doc_id="SF", extra=extra)
        assert [] == validate(City, more, extra=extra)
    with pytest.raises(ValueError, match='extra= takes "ignore", "forbid" or "keep", not \'drop\''):
        from_dict(City, BY_NAME, extra="drop")  # type: ignore[arg-type]


def test_an_id_in_the_data_is_unknown_unless_asked_for() -> None:
    (problem,) = validate(City, {"id": "SF", **BY_NAME})
    assert "the key 'id' (include_id=True reads it as the document id)" == problem.found
    assert [] == validate(City, {"id": "SF", **BY_NAME}, include_id=True)
    with pytest.raises(ValidationError, match=r"City\.id: "):
        from_dict(City, {"id": "SF", **BY_NAME})


def test_ids_are_checked() -> None:
    for bad in ("a/b", "", "..", 5):
        with pytest.raises(InvalidDocumentIdError):
            from_dict(City, BY_NAME, doc_id=bad)  # type: ignore[arg-type]
        data = {**BY_NAME, "id": bad, "name": 5}
        with pytest.raises(ValidationError) as caught:
            from_dict(City, data, include_id=True)
        assert isinstance(caught.value.__cause__, InvalidDocumentIdError)
        found, other = validate(City, data, include_id=True)
        assert (found, other) == caught.value.problems
        assert ("id", "a valid document id", "name") == (found.path, found.expected, other.path)


def test_wrong_values_are_named() -> None:
    with pytest.raises(ValidationError) as caught:
        from_dict(City, {**BY_NAME, "name": 5, "mayors": {"a": [{"name": 6}]}})
    error = caught.value
    assert ("City", "name", "str", "int 5") == (error.model, error.field, error.expected, error.found)
    assert (Problem("name", "str", "int 5"), Problem("mayors.a[0].name", "str", "int 6")) == error.problems
    assert isinstance(error, (CendryError, InvalidValueError))
    assert isinstance(error, TypeError)
    assert isinstance(error, ValueError)
    with pytest.raises(ValidationError, match=r"City\.name: expected str, found int 5\.$"):
        to_dict(City(name=5, status=Status.OPEN))  # type: ignore[arg-type]


def test_validate_lists_every_problem() -> None:
    data = {
        "nme": 1,
        "status": "CLOSED",
        "mayor": {"name": 5, "id": "x", "more": 1},
        "mayors": {"a": [{"name": "x"}, 5]},
        "created": "today",
    }
    assert [
        Problem("name", "str", "nothing", "missing"),
        Problem("status", "Status by name ('OPEN')", "str 'CLOSED'"),
        Problem("mayor.name", "str", "int 5"),
        Problem("mayor.id", "int", "str 'x'"),
        Problem("mayor.more", "only declared fields of Mayor", "the key 'more'", "unknown"),
        Problem("mayors.a[1]", "Mayor", "int 5"),
        Problem("created", "datetime", "str 'today'"),
        Problem("nme", "only declared fields of City", "the key 'nme' (did you mean 'name'?)", "unknown", ("name",)),
    ] == validate(City, data)


def test_keys_that_are_no_strings_are_named() -> None:
    with pytest.raises(ValidationError, match=r"Loose\.`5`: .*, found the key 5"):
        from_dict(Loose, {5: 1})  # type: ignore[dict-item]
    with pytest.raises(ValidationError):
        from_dict(Loose, {"": 1})


def test_what_post_init_raises_is_the_cause_and_validate_builds_nothing() -> None:
    with pytest.raises(ValidationError, match=r"^Hooked: expected what Hooked accepts, .*negative") as caught:
        from_dict(Hooked, {"x": -1})
    assert isinstance(caught.value.__cause__, LookupError)
    assert [] == validate(Hooked, {"x": -1})
    data: Any = {"x": "y"}
    assert "the data: expected int, found nothing" == str(Problem("", "int", "nothing"))
    assert ["x: expected int, found str 'y'"] == [str(problem) for problem in validate(Hooked, data)]


def test_one_key_for_two_values_is_refused() -> None:
    class Export(Model, collection="exports"):
        stored_id: Field[int] = field(alias="id")

    message = "Export.stored_id is stored as 'id', so with by_alias=True and include_id=True one key would hold two"
    with pytest.raises(TypeError, match=message):
        to_dict(Export(stored_id=1), by_alias=True, include_id=True)
    with pytest.raises(TypeError, match=message):
        from_dict(Export, {"id": 1}, by_alias=True, include_id=True)
    with pytest.raises(TypeError, match=message):
        validate(Export, {"id": 1}, by_alias=True, include_id=True)
    assert {"id": None, "stored_id": 1} == to_dict(Export(stored_id=1), include_id=True)
    assert Export(id="x", stored_id=1) == from_dict(Export, {"id": "x", "stored_id": 1}, include_id=True)
    assert Export(id="x", stored_id=1) == from_dict(Export, {"id": 1}, by_alias=True, doc_id="x")


class Item(Map):
    name: Field[str]

    def __post_init__(self) -> None:
        if self.name == "odd":
            raise ValueError("odd " * 1000)


class Basket(Model, collection="baskets"):
    items: Field[list[Item]] = field(default_factory=list)
    counts: Field[dict[str, int]] = field(default_factory=dict)
    share: Field[float | str] = field(default=0.0)
    any: Field[Any] = field(default=None)


@pytest.mark.parametrize(
    "data",
    [
        {f"key{number}": 0 for number in range(300)},
        {"items": [{}] * 300},
        {"items": [{"name": "odd"}] * 300},
        {"counts": {f"key{number}": "x" for number in range(300)}},
        {"any": [[]] * 300},
    ],
    ids=["unknown", "missing", "refused", "values", "any"],
)
def test_at_most_a_hundred_problems_are_collected(data: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=r"; and over 97 more problems \(see \.problems\)\.$") as caught:
        from_dict(Basket, data)
    assert (100, True) == (len(caught.value.problems), caught.value.more)
    assert len(str(caught.value)) < 2500
    assert len(validate(Basket, data)) in (0 if data.get("items") == [{"name": "odd"}] * 300 else 100, 100)


def test_an_invalid_id_counts_as_one_of_a_hundred() -> None:
    data = {"id": "a/b", **{f"key{number}": 0 for number in range(100)}}
    with pytest.raises(ValidationError) as caught:
        from_dict(Basket, data, include_id=True)
    assert (100, True, "id") == (len(caught.value.problems), caught.value.more, caught.value.field)
    assert list(caught.value.problems) == validate(Basket, data, include_id=True)


def test_writes_name_all_wrong_values_of_an_instance() -> None:
    wrong: Any = {"items": [5, 6], "counts": {"a": "x"}}
    with pytest.raises(ValidationError) as caught:
        to_dict(Basket(**wrong))
    assert ["items[0]", "items[1]", "counts.a"] == [problem.path for problem in caught.value.problems]
    wrong = {"items": [Item(name=5)] * 300}  # type: ignore[arg-type]
    with pytest.raises(ValidationError) as caught:
        to_dict(Basket(**wrong))
    assert (100, True) == (len(caught.value.problems), caught.value.more)
    with pytest.raises(ValidationError) as caught:
        from_dict(Basket, wrong)
    assert (100, True) == (len(caught.value.problems), caught.value.more)


def test_keys_and_values_are_cut() -> None:
    long = "y" * 500
    key, value, nested, shown = validate(
        Basket, {long: 0, "counts": {"a": long, "b": {"c": [long, {"d": long}]}}, "items": [long.encode()]}
    )[::-1]
    assert key.path == "`" + "y" * 77 + "...`"
    assert all(len(problem.path) + len(problem.found) < 220 for problem in (key, value, nested, shown))
    assert nested.found.startswith("str 'yyy")
    assert value.found.startswith("dict {'c': ['yyy")

    class Unshown:
        def __repr__(self) -> str:
            raise ValueError

    class Unsaid(Exception):
        def __str__(self) -> str:
            raise ValueError

    class Odd(Model, collection="odd"):
        x: Field[int]

        def __post_init__(self) -> None:
            raise Unsaid

    assert "Unshown <repr raised ValueError>" in validate(Basket, {"counts": {"a": Unshown()}})[0].found
    with pytest.raises(ValidationError, match=r"\(Unsaid: its text can't be shown\)"):
        from_dict(Odd, {"x": 1})


def test_near_names_are_looked_for_only_a_few_times() -> None:
    assert [("items",), ("items",), ("items",), (), ()] == [
        problem.nearest for problem in validate(Basket, {"item" + "s" * extra: 0 for extra in range(2, 7)})
    ]
    assert () == validate(Basket, {"items" * 20: 0})[0].nearest


class Node(Map):
    name: Field[str]
    below: Field[list[Node]] = field(default_factory=list)
    named: Field[dict[str, Node]] = field(default_factory=dict)


class Tree(Model, collection="trees"):
    top: Field[Node]
    any: Field[list[Any]] = field(default_factory=list)


def test_one_problem_in_much_data_is_named_with_its_path() -> None:
    good: dict[str, Any] = {"name": "x", "below": [{"name": "y"}] * 3, "named": {"k": {"name": "z"}}}
    bad = {**good, "named": {"k": good, "l": {**good, "below": [good, {**good, "below": [good, {"name": 5}]}]}}}
    data = {"top": {**good, "below": [good, bad, good], "named": {"a b": bad}}, "any": [{"k": 1}, [1], {"l": [2]}]}
    paths = [
        "top.below[1].named.l.below[1].below[1].name",
        "top.named.`a b`.named.l.below[1].below[1].name",
        "any[1]",
    ]
    assert paths == [problem.path for problem in validate(Tree, data)]
    with pytest.raises(ValidationError) as caught:
        from_dict(Tree, data)
    assert paths == [problem.path for problem in caught.value.problems]


def test_the_depth_counts_from_the_document_in_much_data() -> None:
    node: dict[str, Any] = {"name": "x"}
    for _ in range(9):
        node = {"name": "x", "below": [node]}
    assert [] == validate(Tree, {"top": node})
    (problem,) = validate(Tree, {"top": {"name": "x", "below": [{"name": "y"}, node]}})
    assert "top.below[1]" + ".below[0]" * 9 == problem.path


@pytest.mark.parametrize(
    "value",
    [Decimal(f"1e{decimal.MAX_EMAX}"), "1e999999999", "9" * 400_000, 10**5000, 1e308],
    ids=["decimal", "text", "long text", "int", "float"],
)
def test_numbers_that_would_be_huge_cost_nothing(value: Any) -> None:
    class Priced(Model, collection="priced"):
        price: Field[Decimal | None] = field(default=None)
        count: Field[int] = field(default=0)
        share: Field[float] = field(default=0.0)

    start = time.process_time()
    for name in ("price", "count", "share"):
        problems = validate(Priced, {name: value})
        if problems:
            with pytest.raises(ValidationError) as caught:
                from_dict(Priced, {name: value})
            assert len(str(caught.value)) < 300
        else:
            from_dict(Priced, {name: value})
    assert time.process_time() - start < 5


def test_a_key_that_is_no_text_can_be_printed() -> None:
    with pytest.raises(ValidationError) as caught:
        from_dict(Mayor, {"name": "x", "\ud800": 1})
    assert str(caught.value).encode()
    assert [r"`\\ud800`"] == [one.path for one in caught.value.problems]
    assert ["été"] == [one.path.strip("`") for one in validate(Mayor, {"name": "x", "été": 1})]
