from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from annotated_types import MaxLen
from cendry import (
    CendryError,
    DecodeError,
    DocumentNotFoundError,
    Field,
    ForeignReferenceError,
    InvalidDocumentIdError,
    InvalidValueError,
    Map,
    Model,
    Query,
    Ref,
    field,
)
from cendry.plan import GetPlan
from core.documents import Area
from core.documents import City as OtherCity

HOME = "projects/p/databases/d"


class Person(Model, collection="people"):
    name: Field[str]


class Singer(Person, collection="people"):
    pass


class Office(Map):
    holder: Field[Ref[Person]]
    before: Field[list[Ref[Person]]] = field(default_factory=list)


@dataclasses.dataclass
class Shelf:
    best: Ref[Person] | None = None


class Stop(Map):
    city: Field[Ref[City]]


class City(Model, collection="cities"):
    name: Field[str]
    mayor: Field[Ref[Person] | None] = field(default=None, alias="the mayor")
    twin: Field[Ref[City] | None] = field(default=None)
    twins: Field[list[Ref[City]]] = field(default_factory=list)
    rivals: Field[set[Ref[City]]] = field(default_factory=set)
    pair: Field[tuple[Ref[City], Ref[Person]] | None] = field(default=None)
    roads: Field[dict[str, Ref[City]]] = field(default_factory=dict)
    lines: Field[dict[str, list[Ref[City]]]] = field(default_factory=dict)
    holes: Field[Annotated[list[Ref[City] | None], MaxLen(9)] | None] = field(default=None)
    guest: Field[Ref[Person] | list[Ref[Person]] | str] = field(default="")
    either: Field[list[Ref[City]] | dict[str, Ref[Person]] | None] = field(default=None)
    office: Field[Office | None] = field(default=None)
    offices: Field[dict[str, Office]] = field(default_factory=dict)
    shelf: Field[Shelf] = field(default_factory=Shelf)
    odd: Field[Ref[Any] | None] = field(default=None)
    singer: Field[Ref[Singer] | None] = field(default=None)
    stops: Field[list[Stop]] = field(default_factory=list)
    anything: Field[Any] = field(default=None)


class Village(City, collection="villages"):
    pass


@pytest.fixture
def stored(backend: Any) -> Any:
    for name in ("rome", "oslo", "kyiv"):
        backend.put(f"cities/{name}", {"name": name})
    for name in ("ada", "bob"):
        backend.put(f"people/{name}", {"name": name})
    backend.put("cities/rome/areas/a", {"name": "a"})
    backend.calls.clear()
    return backend


rome, oslo, kyiv, nowhere = (Ref(City, name) for name in ("rome", "oslo", "kyiv", "nowhere"))
ada, bob, nobody = (Ref(Person, name) for name in ("ada", "bob", "nobody"))


# find_many


def wrong(value: Any) -> Any:
    """A value that the field doesn't take; checkers don't look."""
    return value


def test_find_many_gives_none_for_absent_documents(ctx: Any, stored: Any) -> None:
    found = ctx.find_many(City, (name for name in ["oslo", "nowhere", "rome", "oslo", "nowhere"]))
    assert [None if city is None else city.id for city in found] == ["oslo", None, "rome", "oslo", None]
    assert found[0] == found[3]
    assert found[0] is not found[3]
    assert stored.plans("get") == [GetPlan(("cities/oslo", "cities/nowhere", "cities/rome"))]
    assert ctx.find_many(Area, ["a", "b"], parent=Ref(OtherCity, "rome"))[1] is None
    assert ctx.find_many(City, [oslo, "nowhere"])[0].name == "oslo"


def test_find_many_of_references_alone(ctx: Any, stored: Any) -> None:
    found = ctx.find_many(ref for ref in [ada, rome, nobody, ada])
    assert [None if one is None else (type(one), one.id) for one in found] == [
        (Person, "ada"),
        (City, "rome"),
        None,
        (Person, "ada"),
    ]
    assert len(stored.calls) == 1


def test_find_many_of_nothing_sends_nothing(ctx: Any, stored: Any) -> None:
    assert (ctx.find_many(City, []), ctx.find_many([])) == ([], [])
    assert stored.calls == []


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda ctx: ctx.find_many([rome, "oslo"]), TypeError, "find_many() takes a class and ids, or references"),
        (lambda ctx: ctx.find_many("oslo"), TypeError, "find_many() takes references as a list, not 'oslo'."),
        (lambda ctx: ctx.find_many(City, "oslo"), TypeError, "find_many() takes ids as a list, not 'oslo'."),
        (lambda ctx: ctx.find_many(City), TypeError, "find_many() takes ids as a list, not None."),
        (lambda ctx: ctx.find_many([rome], ["x"]), TypeError, "find_many() takes a class and ids, or references alone"),
        (lambda ctx: ctx.find_many([Ref.from_path("cities/x")]), CendryError, "use ref.as_model(City)"),
        (lambda ctx: ctx.find_many(City, ["a/b"]), InvalidDocumentIdError, "'a/b' is not a valid document id"),
        (lambda ctx: ctx.find_many(City, [ada]), TypeError, "Ref(Person, 'ada') is not a document of City ('cities')."),
        (
            lambda ctx: ctx.find_many([Ref.from_path("cities/x", model=City, database="projects/q/databases/d")]),
            ForeignReferenceError,
            "points into a database other than",
        ),
    ],
)
def test_find_many_refuses_bad_targets(
    ctx: Any, stored: Any, call: Callable[[Any], object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as caught:
        call(ctx)
    assert message in str(caught.value)
    assert stored.calls == []


def test_find_many_names_a_document_that_does_not_fit(ctx: Any, stored: Any) -> None:
    stored.put("cities/bad", {"name": 5})
    with pytest.raises(DecodeError, match="cities/bad"):
        ctx.find_many(City, ["rome", "bad"])


# fetch_refs


def test_fields_of_every_form_are_fetched_in_one_request(ctx: Any, stored: Any) -> None:
    cities = [
        City(name="a", mayor=ada, twin=rome, twins=[oslo, rome], rivals={kyiv}, pair=(oslo, bob)),
        City(name="b", roads={"n": kyiv, "s": nowhere}, lines={"x": [oslo]}, holes=[None, rome], guest=bob),
        City(name="c", office=Office(holder=nobody, before=[ada]), shelf=Shelf(bob), guest=[ada]),
        City(name="d", guest="someone", offices={"first": Office(holder=ada)}),
    ]
    fields: Any = (
        City.mayor,
        City.twin,
        City.twins,
        City.rivals,
        City.pair,
        City.roads,
        City.lines,
        City.holes,
        City.guest,
        City.office[Office.holder],
        City.office[Office.before],
        City.shelf["best"],
        City.offices["first"][Office.holder],
    )
    found = ctx.fetch_refs(iter(cities), *fields)
    assert set(found) == {ada, bob, rome, oslo, kyiv}
    assert {(type(one), one.id) for one in found.values()} == {
        (Person, "ada"),
        (Person, "bob"),
        (City, "rome"),
        (City, "oslo"),
        (City, "kyiv"),
    }
    assert found[rome].name == "rome"
    [plan] = stored.plans("get")
    assert sorted(plan.paths) == [
        *(f"cities/{name}" for name in ("kyiv", "nowhere", "oslo", "rome")),
        *(f"people/{name}" for name in ("ada", "bob", "nobody")),
    ]
    assert len(stored.calls) == 1


@pytest.mark.parametrize(
    ("given", "fields", "expected"),
    [
        (City(name="a", roads={"n": rome, "s": oslo}), lambda: (City.roads["n"],), {rome}),
        (City(name="a", roads={"n": rome}), lambda: (City.roads["s"],), set()),
        (City(name="a", offices={"x": Office(holder=ada)}), lambda: (City.offices["x"][Office.holder],), {ada}),
        (City(name="a"), lambda: (City.offices["x"][Office.holder], City.office[Office.holder]), set()),
        (City(name="a", twin=rome, mayor=ada), lambda: (City.twin,), {rome}),
        (Village(name="a", twin=rome), lambda: (City.twin,), {rome}),
        (Village(name="a", twin=rome), lambda: (Village.twin,), {rome}),
        (City(name="a", either=[Ref.from_path("cities/rome")]), lambda: (City.either,), {rome}),
        (City(name="a", either={"x": Ref.from_path("people/ada")}), lambda: (City.either,), {ada}),
        (City(name="a", odd=rome), lambda: (City.odd,), {rome}),
        (City(name="a", twin=Ref.from_path("cities/rome")), lambda: (City.twin,), {rome}),
    ],
)
def test_a_field_gives_the_references_that_it_holds(
    ctx: Any, stored: Any, given: Any, fields: Any, expected: set[Ref[Any]]
) -> None:
    found = ctx.fetch_refs([given], *fields())
    assert set(found) == expected
    assert len(stored.calls) == len(expected)


def test_nothing_to_fetch_sends_nothing(ctx: Any, stored: Any) -> None:
    assert ctx.fetch_refs([], City.twin, City.office[Office.holder]) == {}
    assert ctx.fetch_refs([City(name="a")], City.twin, City.twins) == {}
    assert stored.calls == []


def test_references_to_one_document_share_an_instance(ctx: Any, stored: Any) -> None:
    stored.database = HOME
    own = Ref.from_path("cities/rome", model=City, database=HOME)
    found = ctx.fetch_refs([City(name="a", twin=rome), City(name="b", twin=own, twins=[rome])], City.twin, City.twins)
    assert set(found) == {rome, own}
    assert found[rome] is found[own]
    assert stored.plans("get") == [GetPlan(("cities/rome",))]


def test_the_most_specific_model_of_a_document_decides(ctx: Any, stored: Any) -> None:
    city = City(name="a", singer=Ref(Singer, "ada"), mayor=ada)
    for fields in ((City.singer, City.mayor), (City.mayor, City.singer)):
        found = ctx.fetch_refs([city], *fields)
        assert type(found[ada]) is Singer


def test_unrelated_models_of_one_document_are_refused(ctx: Any, stored: Any) -> None:
    class Town(Model, collection="cities"):
        name: Field[str]

    class Trip(Model, collection="trips"):
        start: Field[Ref[City]]
        end: Field[Ref[Town]]

    with pytest.raises(CendryError, match="name the document 'cities/rome' as City and as .*Town") as caught:
        ctx.fetch_refs([Trip(start=rome, end=Ref(Town, "rome"))], Trip.start, Trip.end)
    assert "fetch the two fields separately" in str(caught.value)
    assert stored.calls == []


def test_instances_of_several_classes_share_the_fields_of_a_base(ctx: Any, stored: Any) -> None:
    found = ctx.fetch_refs([City(name="a", twin=rome), Village(name="b", twin=oslo)], City.twin)
    assert set(found) == {rome, oslo}


def test_a_bound_query_gives_its_instances(make: Any, ctx: Any, stored: Any) -> None:
    stored.put("cities/rome", {"name": "rome", "twin": oslo})
    query = ctx.select(City)
    if isinstance(query, Query):
        assert set(ctx.fetch_refs(query, City.twin)) == {oslo}
    else:
        with pytest.raises(TypeError, match=r"await to_list\(\)"):
            ctx.fetch_refs(query, City.twin)


UNSET = City(id="u", name="a")
del UNSET.twin


@pytest.mark.parametrize(
    ("given", "fields", "error", "message"),
    [
        ([City(name="a")], (), TypeError, "fetch_refs() takes at least one field that holds references"),
        ([City(name="a")], ("twin",), TypeError, "takes fields as descriptors (City.capital), not 'twin'."),
        ([City(name="a")], (City.name,), TypeError, "City.name is declared as str, not as references."),
        ([], (City.name,), TypeError, "City.name is declared as str, not as references."),
        ([City(name="a")], (City.id,), TypeError, "City.id is declared as a document id, not as references."),
        ([City(name="a")], (City.anything,), TypeError, "City.anything is declared as a value that Firestore can"),
        ([City(name="a")], (City.stops,), TypeError, "pass them to find_many()"),
        ([City(name="a")], (City.office,), TypeError, "City.office is declared as Office or None, not as references."),
        ([City(name="a")], (Office.holder,), TypeError, "part of a model's field: Model.field[Office.holder]."),
        ([], (Office.holder,), TypeError, "Office.holder is a field of an embedded map; write it as part"),
        ([OtherCity(name="a")], (City.twin,), TypeError, "City.twin is a field of City, not of City."),
        ([City(name="a"), Person(name="b")], (City.twin,), TypeError, "City.twin is a field of City, not of Person."),
        ([City(name="a"), "rome"], (City.twin,), TypeError, "fetch_refs() takes model instances, not 'rome'."),
        ([None], (City.twin,), TypeError, "fetch_refs() takes model instances, not None."),
        ([City], (City.twin,), TypeError, "fetch_refs() takes model instances, not "),
        ([rome], (City.twin,), TypeError, "fetch_refs() takes model instances, not Ref(City, 'rome')."),
        (City(name="a"), (City.twin,), TypeError, "fetch_refs() takes instances as a list, not City("),
        ("rome", (City.twin,), TypeError, "fetch_refs() takes instances as a list, not 'rome'."),
        (5, (City.twin,), TypeError, "fetch_refs() takes instances as a list, not 5."),
        ([UNSET], (City.twin,), CendryError, "This City (id 'u') has no value for 'twin'."),
        ([City(name="a", twin=wrong("rome"))], (City.twin,), InvalidValueError, "City.twin: expected Ref to City"),
        ([City(name="a", twins=[wrong(5)])], (City.twins,), InvalidValueError, "City.twins[0]: expected Ref to City"),
        ([City(name="a", twin=wrong(ada))], (City.twin,), InvalidValueError, "a reference to Person"),
        (
            [City(name="a", odd=Ref.from_path("cities/x"))],
            (City.odd,),
            CendryError,
            "Ref.from_path('cities/x') in City.odd doesn't know the model of its document",
        ),
        (
            [City(name="a", twin=Ref.from_path("cities/x", model=City, database="projects/q/databases/d"))],
            (City.twin,),
            ForeignReferenceError,
            "points into a database other than",
        ),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_sent(
    ctx: Any, stored: Any, given: Any, fields: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as caught:
        ctx.fetch_refs(given, *fields)
    assert message in str(caught.value)
    assert stored.calls == []


def test_a_document_that_does_not_fit_is_named(ctx: Any, stored: Any) -> None:
    stored.put("people/bad", {"name": 5})
    with pytest.raises(DecodeError, match="people/bad"):
        ctx.fetch_refs([City(name="a", mayor=Ref(Person, "bad"))], City.mayor)


def test_an_instance_where_its_reference_belongs_is_told_from_other_values(ctx: Any, stored: Any) -> None:
    city = City(name="a", twin=City(id="rome", name="b"))  # type: ignore[arg-type]
    for call in (lambda: ctx.save(city), lambda: ctx.fetch_refs([city], City.twin)):
        with pytest.raises(InvalidValueError, match=r"\(ref_of\(\) returns the reference of an instance\)"):
            call()
    assert stored.calls == []


def test_fetched_instances_know_their_documents(ctx: Any, stored: Any) -> None:
    found = ctx.fetch_refs([City(name="a", mayor=ada)], City.mayor)[ada]
    ctx.update(found, {Person.name: "Ada"})
    assert stored.data("people/ada") == {"name": "Ada"}


# In transactions


def test_both_read_inside_a_transaction(ctx: Any, stored: Any) -> None:
    with ctx.transaction() as txn:
        assert [one and one.id for one in txn.find_many(City, ["rome", "nowhere"])] == ["rome", None]
        assert set(txn.fetch_refs([City(name="a", mayor=ada, twin=nowhere)], City.mayor, City.twin)) == {ada}
        txn.save(Person(name="x"))
        for read in (
            # Whether there is anything to ask for makes no difference.
            lambda: txn.find_many(City, []),
            lambda: txn.get_many([]),
            lambda: txn.fetch_refs([City(name="a")], City.mayor),
            lambda: txn.find_many(City, ["rome"]),
            lambda: txn.fetch_refs([City(name="a", mayor=ada)], City.mayor),
        ):
            with pytest.raises(CendryError, match="all reads come before the first write"):
                read()
    assert [name for name, _ in stored.calls].count("get") == 2
    for mayor in (None, ada):
        with pytest.raises(CendryError, match="has ended"):
            txn.fetch_refs([City(name="a", mayor=mayor)], City.mayor)


def test_get_many_still_names_what_find_many_leaves_out(ctx: Any, stored: Any) -> None:
    with pytest.raises(DocumentNotFoundError) as caught:
        ctx.get_many([rome, nowhere, nobody, nowhere])
    assert caught.value.candidates == ("cities/nowhere", "people/nobody")


def test_hidden_references_are_not_shown_and_documents_are_named(ctx: Any) -> None:
    class Safe(Model, collection="safes"):
        code: Field[Ref[City] | None] = field(default=None, repr=False)
        odd: Field[Ref[Any] | None] = field(default=None, repr=False)
        shown: Field[Ref[City] | None] = field(default=None)

    elsewhere = Ref.from_path("cities/s3cret", model=City, database="projects/q/databases/d")
    safe = Safe(id="a", code=Ref(City, "rome"))
    ctx.save(safe)
    safe.code = safe.shown = elsewhere
    safe.odd = Ref.from_path("cities/s3cret")
    with pytest.raises(ForeignReferenceError) as foreign:
        ctx.fetch_refs([safe], Safe.code)
    start = f"A reference that is not shown in {Safe.__qualname__}.code of document 'safes/a' points into"
    assert str(foreign.value).startswith(start)
    assert "s3cret" not in str(vars(foreign.value))
    with pytest.raises(CendryError) as unknown:
        ctx.fetch_refs([safe], Safe.odd)
    start = f"A reference that is not shown in {Safe.__qualname__}.odd of document 'safes/a' doesn't know the model"
    assert str(unknown.value).startswith(start)
    with pytest.raises(ForeignReferenceError, match=r"^Ref\..* in .*\.shown of document 'safes/a' points"):
        ctx.fetch_refs([safe], Safe.shown)
    with pytest.raises(ForeignReferenceError, match=r"^A reference that is not shown in .*\.code points into"):
        ctx.fetch_refs([Safe(code=elsewhere)], Safe.code)


def test_a_closed_context_fetches_nothing(ctx: Any) -> None:
    ctx.close()
    with pytest.raises(CendryError, match="closed"):
        ctx.fetch_refs([], City.twin)
