from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from cendry import (
    DELETE_FIELD,
    SERVER_TIMESTAMP,
    ArrayRemove,
    ArrayUnion,
    CendryError,
    DocumentAlreadyExistsError,
    DocumentNotFoundError,
    Field,
    FieldPath,
    Increment,
    InvalidDocumentIdError,
    InvalidEtagError,
    InvalidValueError,
    Maximum,
    Minimum,
    Model,
    Ref,
    StaleDocumentError,
    TypeRegistry,
    UnknownFieldError,
    ValidationError,
    field,
    get_metadata,
)
from cendry._context import writes
from cendry.plan import Create, Delete, FieldTransform, Set, Update
from core.documents import NOW, Area, Base, City, Frozen, Kept, Mayor, Spot, Stamped, Status

LATER = NOW + timedelta(hours=1)


def commits(backend: Any) -> list[Any]:
    return [write for writes in backend.plans("commit") for write in writes]


def last(backend: Any) -> Any:
    return commits(backend)[-1]


@pytest.fixture
def sf(ctx: Any, backend: Any) -> City:
    city = City(id="SF", name="San Francisco", mayor=Mayor(name="x"), attributes={"k": 1})
    ctx.save(city)
    backend.calls.clear()
    return city


# save


def test_save_writes_stored_names_and_gives_the_id(ctx: Any, backend: Any) -> None:
    assert ctx.save(City(id="SF", name="San Francisco", budget=Decimal("1.50"), status=Status.CLOSED)) == "SF"
    write = last(backend)
    assert (type(write), write.path, write.mask, write.transforms, write.update_time) == (
        Set,
        "cities/SF",
        None,
        (),
        None,
    )
    assert write.data["displayName"] == "San Francisco"
    assert (write.data["budget"], write.data["status"]) == ("1.50", "CLOSED")


def test_save_replaces_the_whole_document(ctx: Any, backend: Any) -> None:
    backend.put("cities/SF", {"displayName": "x", "unknown": 1})
    ctx.save(City(id="SF", name="y"))
    assert "unknown" not in backend.data("cities/SF")


def test_automatic_ids(ctx: Any, backend: Any) -> None:
    cities = [City(name=str(index)) for index in range(20)]
    ids = [ctx.save(city) for city in cities]
    assert [city.id for city in cities] == ids
    assert all(re.fullmatch(r"[A-Za-z0-9]{20}", document_id) for document_id in ids)
    assert len(set(ids)) == 20
    assert len({character for document_id in ids for character in document_id}) > 40


def test_all_letters_and_digits_of_automatic_ids_are_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    # Each byte once: those that would favour some letters are left out.
    given = iter([bytes(range(start, start + 24)) for start in range(0, 240, 24)] + [bytes(range(240, 256)) * 3])
    monkeypatch.setattr(writes, "urandom", lambda _: next(given))

    ids = [writes.automatic_id() for _ in range(11)]

    assert ids[0] == "ABCDEFGHIJKLMNOPQRST"
    assert ids[-1] == "23456789" * 2 + "2345"


def test_saving_sets_metadata(ctx: Any, backend: Any) -> None:
    city = City(id="SF", name="x")
    ctx.save(city)
    stored = backend.documents["cities/SF"]
    assert get_metadata(city) == ("cities/SF", None, stored.update_time, stored.update_time)
    city = ctx.get(City, "SF")
    ctx.save(city)
    assert get_metadata(city)[:3] == ("cities/SF", stored.create_time, backend.documents["cities/SF"].update_time)


def test_merge_leaves_what_the_model_does_not_know(ctx: Any, backend: Any) -> None:
    backend.put("cities/SF", {"displayName": "x", "unknown": 1, "mayor": {"mayor name": "y", "party": "z"}})
    ctx.save(City(id="SF", name="new", mayor=Mayor(name="m", since=1)), merge=True)
    data = backend.data("cities/SF")
    assert (data["displayName"], data["unknown"], data["population"]) == ("new", 1, 0)
    assert data["mayor"] == {"mayor name": "m", "since": 1, "party": "z"}


def test_a_model_can_keep_what_it_does_not_know(ctx: Any, backend: Any) -> None:
    backend.put("cities/SF", {"displayName": "x", "unknown": 1})
    kept = ctx.get(Kept, "SF")
    kept.name = "new"
    ctx.save(kept)
    assert backend.data("cities/SF") == {"displayName": "new", "unknown": 1, "mayor": None}
    assert last(backend).mask == (FieldPath("displayName"), FieldPath("mayor"))


def test_transforms_on_an_instance_are_sent_as_such(ctx: Any, backend: Any) -> None:
    stamped: Any = Stamped(id="x", created=SERVER_TIMESTAMP)  # type: ignore[arg-type]
    ctx.save(stamped)
    write = last(backend)
    assert write.transforms == (FieldTransform(FieldPath("created"), SERVER_TIMESTAMP),)
    assert "created" not in write.data
    assert stamped.created is SERVER_TIMESTAMP
    ctx.refresh(stamped)
    assert stamped.created == backend.documents["stamped/x"].update_time
    city = City(id="SF", name="x", population=Increment(2), regions=ArrayUnion(["a"]))  # type: ignore[arg-type]
    ctx.save(city, merge=True)
    ctx.save(city, merge=True)
    assert FieldPath("population") not in last(backend).mask
    assert (backend.data("cities/SF")["population"], backend.data("cities/SF")["regions"]) == (4, ["a"])


@pytest.mark.parametrize("value", [DELETE_FIELD, ArrayUnion([1]), Increment(1.5), "x"])
def test_what_does_not_fit_is_not_saved(ctx: Any, backend: Any, value: Any) -> None:
    city = City(name="x", population=value)
    with pytest.raises(InvalidValueError, match=r"^City\.population: expected int, found "):
        ctx.save(city)
    assert (city.id, backend.calls) == (None, [])


# create


def test_create_writes_new_documents_only(ctx: Any, backend: Any) -> None:
    city = City(id="SF", name="x")
    assert ctx.create(city) == "SF"
    assert type(last(backend)) is Create
    stored = backend.documents["cities/SF"]
    assert get_metadata(city) == ("cities/SF", stored.create_time, stored.create_time, stored.create_time)
    with pytest.raises(DocumentAlreadyExistsError) as caught:
        ctx.create(City(id="SF", name="y"))
    assert (caught.value.collection, caught.value.document_id) == ("cities", "SF")
    assert backend.data("cities/SF")["displayName"] == "x"


# Ids on failure


@pytest.mark.parametrize("method", ["save", "create"])
def test_a_refused_write_takes_the_automatic_id_back(ctx: Any, backend: Any, method: str) -> None:
    city = City(name="x")
    backend.fail("commit", DocumentAlreadyExistsError("cities/?"))
    with pytest.raises(DocumentAlreadyExistsError):
        getattr(ctx, method)(city)
    assert city.id is None


class PermissionDenied(Exception):
    code = 403


class RequestTimeout(Exception):
    code = 408


class ServiceUnavailable(Exception):
    code = 503


def test_the_database_refuses_by_status_as_well(ctx: Any, backend: Any) -> None:
    city = City(name="x")
    backend.fail("commit", PermissionDenied())
    with pytest.raises(PermissionDenied):
        ctx.save(city)
    assert city.id is None


@pytest.mark.parametrize("error", [RequestTimeout(), ServiceUnavailable(), ConnectionError()])
def test_an_unknown_outcome_keeps_the_automatic_id(ctx: Any, backend: Any, error: Exception) -> None:
    city = City(name="x")
    backend.fail("commit", error)
    with pytest.raises(type(error)):
        ctx.save(city)
    assert re.fullmatch(r"[A-Za-z0-9]{20}", city.id or "")
    first = city.id
    ctx.save(city)
    assert (city.id, list(backend.documents)) == (first, [f"cities/{first}"])


def test_a_given_id_stays_whatever_happens(ctx: Any, backend: Any) -> None:
    city = City(id="SF", name="x")
    backend.fail("commit", StaleDocumentError("cities/SF"))
    with pytest.raises(StaleDocumentError):
        ctx.save(city)
    assert city.id == "SF"


# Timestamps


def test_automatic_times(ctx: Any, backend: Any) -> None:
    stamped = Stamped(id="x")
    ctx.save(stamped)
    assert (stamped.created, stamped.updated) == (NOW, NOW)
    assert (stamped.day, stamped.hour) == (NOW.date(), NOW.time())
    assert backend.data("stamped/x")["changed at"] == NOW
    assert ctx.get(Stamped, "x") == stamped


def test_auto_now_add_is_set_once(make: Any, backend: Any) -> None:
    times = [NOW, LATER, LATER]
    ctx = make(backend=backend, clock=lambda: times.pop(0))
    stamped = Stamped(id="x")
    ctx.create(stamped)
    ctx.save(stamped)
    assert (stamped.created, stamped.updated) == (NOW, LATER)
    given = Stamped(id="y", created=NOW)
    ctx.save(given)
    assert given.created == NOW


def test_update_sets_auto_now(make: Any, backend: Any) -> None:
    times = [NOW, LATER, LATER, LATER]
    ctx = make(backend=backend, clock=lambda: times.pop(0))
    stamped = Stamped(id="x")
    ctx.save(stamped)
    ctx.update(stamped, {Stamped.name: "n"})
    assert (stamped.name, stamped.created, stamped.updated) == ("n", NOW, LATER)
    assert ctx.get(Stamped, "x") == stamped
    ctx.update(Stamped, "x", {Stamped.updated: NOW})
    assert ctx.get(Stamped, "x").updated == NOW
    ctx.update(Stamped, "x", {"updated": SERVER_TIMESTAMP})
    assert ctx.get(Stamped, "x").updated == backend.documents["stamped/x"].update_time


def test_a_failed_write_leaves_times_and_metadata_as_they_were(ctx: Any, backend: Any) -> None:
    stamped = Stamped(id="x")
    ctx.save(stamped)
    before = dict(vars(stamped)), get_metadata(stamped)
    for error in (StaleDocumentError("stamped/x"), ConnectionError()):
        backend.fail("commit", error, times=3)
        for write in (
            lambda: ctx.save(stamped),
            lambda: ctx.update(stamped, {Stamped.name: "n"}),
            lambda: ctx.delete(stamped),
        ):
            with pytest.raises(type(error)):
                write()
        assert (dict(vars(stamped)), get_metadata(stamped)) == before


def test_the_default_clock_is_the_client_in_utc(make: Any, backend: Any) -> None:
    stamped = Stamped()
    earlier = datetime.now(timezone.utc)
    make(backend=backend).save(stamped)
    assert stamped.updated is not None
    assert earlier <= stamped.updated <= datetime.now(timezone.utc)
    assert stamped.updated.utcoffset() == timedelta(0)
    assert isinstance(stamped.day, date)
    assert isinstance(stamped.hour, time)


@pytest.mark.parametrize("now", [datetime(2026, 1, 1), 1767225600.0])
def test_a_clock_that_gives_no_aware_datetimes_is_refused(make: Any, backend: Any, now: Any) -> None:
    stamped = Stamped()
    with pytest.raises(CendryError, match=f"must return aware datetimes in UTC; it returned {re.escape(repr(now))}"):
        make(backend=backend, clock=lambda: now).save(stamped)
    assert (stamped.id, backend.calls) == (None, [])


def test_a_server_timestamp_goes_before_the_clock(ctx: Any, backend: Any) -> None:
    stamped: Any = Stamped(id="x", updated=SERVER_TIMESTAMP)  # type: ignore[arg-type]
    ctx.save(stamped)
    assert last(backend).transforms == (FieldTransform(FieldPath("changed at"), SERVER_TIMESTAMP),)
    assert backend.data("stamped/x")["changed at"] == backend.documents["stamped/x"].update_time
    assert "changed at" not in last(backend).data
    assert stamped.updated is SERVER_TIMESTAMP


def test_frozen_models_are_saved_as_well(ctx: Any) -> None:
    frozen = Frozen(id="x", name="x")
    ctx.save(frozen)
    assert get_metadata(frozen).path == "frozen/x"
    assert Frozen(id="x", name="x") == frozen


def test_a_merge_that_removes_a_field_leaves_a_frozen_instance_as_it_is(ctx: Any, backend: Any) -> None:
    class Note(Model, collection="notes", frozen=True):
        text: Field[str] = field(default="x")

    backend.put("notes/a", {"text": "old", "kept": 1})
    note: Any = Note(id="a", text=DELETE_FIELD)  # type: ignore[arg-type]
    ctx.save(note, merge=True)
    assert backend.data("notes/a") == {"kept": 1}
    assert note.text is DELETE_FIELD


# update


def test_update_touches_only_what_it_names(ctx: Any, backend: Any, sf: City) -> None:
    backend.put("cities/SF", {"displayName": "x", "unknown": 1})
    ctx.update(City, "SF", {City.name: "y", "population": 3, City.mayor[Mayor.since]: 5})
    assert backend.data("cities/SF") == {"displayName": "y", "unknown": 1, "population": 3, "mayor": {"since": 5}}
    assert last(backend) == Update(
        "cities/SF",
        {"displayName": "y", "population": 3, "mayor": {"since": 5}},
        (FieldPath("displayName"), FieldPath("population"), FieldPath("mayor", "since")),
    )


def test_update_brings_an_instance_up_to_date(ctx: Any, backend: Any, sf: City) -> None:
    regions = ["west"]
    ctx.update(sf, {City.name: "new", "mayor.since": 7, City.attributes["a.b"]: [1], "regions": regions})
    assert (sf.name, sf.mayor, sf.attributes) == ("new", Mayor(name="x", since=7), {"k": 1, "a.b": [1]})
    assert sf == ctx.get(City, "SF")
    assert get_metadata(sf).update_time == backend.documents["cities/SF"].update_time
    regions.append("east")
    assert sf.regions == ["west"]


def test_update_converts_values_by_type(ctx: Any, backend: Any, sf: City) -> None:
    ctx.update(sf, {"budget": Decimal("2.50"), City.status: Status.CLOSED, "tags": {Status.OPEN}, "area": 3})
    data = backend.data("cities/SF")
    assert (data["budget"], data["status"], data["tags"], data["area"]) == ("2.50", "CLOSED", [1], 3.0)
    assert isinstance(sf.area, float)


def test_update_by_stored_path(ctx: Any, backend: Any, sf: City) -> None:
    ctx.update(
        sf, {FieldPath("displayName"): "stored", FieldPath("not", "declared"): 1, FieldPath("mayor"): DELETE_FIELD}
    )
    data = backend.data("cities/SF")
    assert (data["displayName"], data["not"], "mayor" in data) == ("stored", {"declared": 1}, False)
    # What a stored path means for an instance is left to refresh.
    assert (sf.name, sf.mayor) == ("San Francisco", Mayor(name="x"))


def test_update_by_ref(ctx: Any, backend: Any, sf: City) -> None:
    ctx.update(Ref(City, "SF"), {City.population: 4})
    assert backend.data("cities/SF")["population"] == 4


def test_transforms(ctx: Any, backend: Any, sf: City) -> None:
    ctx.update(sf, {City.population: Increment(2), "regions": ArrayUnion(["a", "b"]), "area": Maximum(4)})
    ctx.update(sf, {City.population: Increment(-1), "regions": ArrayRemove(["a"]), "area": Minimum(3.5)})
    data = backend.data("cities/SF")
    assert (data["population"], data["regions"], data["area"]) == (1, ["b"], 3.5)
    assert last(backend).mask == ()
    # What only the server knows is left to refresh.
    assert (sf.population, sf.regions, sf.area) == (0, [], 0.0)
    ctx.refresh(sf)
    assert (sf.population, sf.regions, sf.area) == (1, ["b"], 3.5)


def test_operands_of_transforms_are_converted(ctx: Any, backend: Any, sf: City) -> None:
    ctx.update(sf, {"tags": ArrayUnion([Status.CLOSED]), "area": Increment(1), City.attributes["n"]: Increment(1)})
    transforms = {str(one.path): one.transform for one in last(backend).transforms}
    assert transforms == {"tags": ArrayUnion([2]), "area": Increment(1.0), "attributes.n": Increment(1)}
    assert isinstance(transforms["area"].value, float)


def test_delete_field(ctx: Any, backend: Any, sf: City) -> None:
    sf.population, sf.regions = 5, ["x"]
    ctx.save(sf)
    ctx.update(
        sf,
        {
            "population": DELETE_FIELD,
            City.regions: DELETE_FIELD,
            City.mayor[Mayor.since]: DELETE_FIELD,
            City.attributes["k"]: DELETE_FIELD,
            City.attributes["absent"]: DELETE_FIELD,
        },
    )
    data = backend.data("cities/SF")
    assert "population" not in data
    assert "regions" not in data
    assert (data["mayor"], data["attributes"]) == ({"mayor name": "x"}, {})
    assert (sf.population, sf.regions, sf.mayor, sf.attributes) == (0, [], Mayor(name="x", since=2000), {})


@pytest.mark.parametrize(
    ("key", "value"), [("mayor.name", "y"), (City.mayor[Mayor.name], "y"), ("mayor.since", DELETE_FIELD)]
)
def test_updates_below_a_map_that_is_none_are_refused(ctx: Any, backend: Any, sf: City, key: Any, value: Any) -> None:
    sf.mayor = None
    with pytest.raises(CendryError, match=r"'mayor' is None in this City \(id 'SF'\).*set the whole map"):
        ctx.update(sf, {key: value})
    assert (backend.calls, sf.mayor) == ([], None)
    # Nothing is known of the document of a class and an id.
    ctx.update(City, "SF", {key: value})


def test_updates_of_keys_that_an_instance_lacks_are_shown(ctx: Any, sf: City) -> None:
    ctx.update(sf, {City.attributes["new"]["inner"]: 1})
    assert sf.attributes == {"k": 1, "new": {"inner": 1}}
    ctx.update(sf, {City.attributes["none"]["inner"]: DELETE_FIELD})
    ctx.refresh(sf)
    assert sf.attributes == {"k": 1, "new": {"inner": 1}}


def test_update_of_the_current_values_of_fields(ctx: Any, backend: Any, sf: City) -> None:
    sf.name, sf.population = "new", 7
    sf.mayor = Mayor(name="m", since=1)
    ctx.update(sf, fields=(one for one in [City.name, "mayor.since", City.attributes["k"]]))
    data = backend.data("cities/SF")
    assert (data["displayName"], data["population"], data["mayor"]["since"]) == ("new", 0, 1)
    assert sf.population == 7
    stamped = Stamped(id="x")
    ctx.save(stamped)
    stamped.name = "new"
    ctx.update(stamped, fields=["name"])
    assert backend.data("stamped/x")["name"] == "new"


@pytest.mark.parametrize(
    "change",
    [
        lambda to, sf: to.update(sf, {}),
        lambda to, sf: to.update(sf, fields=[]),
        lambda to, sf: to.update(City, "absent", {}),
        lambda to, sf: to.update(Ref(City, "absent"), {}, if_unchanged=NOW),
    ],
)
def test_empty_updates_are_refused(ctx: Any, backend: Any, sf: City, change: Any) -> None:
    with pytest.raises(CendryError, match="names no fields"):
        change(ctx, sf)
    with ctx.batch() as batch:
        with pytest.raises(CendryError, match="names no fields"):
            change(batch, sf)
        assert len(batch) == 0
    with ctx.transaction() as txn, pytest.raises(CendryError, match="names no fields"):
        change(txn, sf)
    assert backend.plans("commit") in ([], [()])


@pytest.mark.parametrize("unchanged", [None, False])
def test_no_condition(ctx: Any, backend: Any, sf: City, unchanged: Any) -> None:
    ctx.save(sf, if_unchanged=unchanged)
    ctx.update(sf, {"population": 3}, if_unchanged=unchanged)
    ctx.delete(sf, if_unchanged=unchanged)
    assert [one.update_time for one in commits(backend)] == [None, None, None]


def test_update_demands_a_document(ctx: Any, backend: Any) -> None:
    with pytest.raises(DocumentNotFoundError) as caught:
        ctx.update(City, "LA", {City.name: "x"})
    assert caught.value.path == "cities/LA"
    assert backend.documents == {}


FIRST_TYPE_ERROR = "update() takes an instance and changes, or a class, an id and changes; several changes"


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (({"popluation": 1},), UnknownFieldError, "City has no field 'popluation'. Did you mean 'population'?"),
        (({"mayor.nam": 1},), UnknownFieldError, "City has no field 'mayor.nam'. Did you mean 'mayor.name'?"),
        (({Area.name: "x"},), TypeError, "Area.name is a field of Area, not of City."),
        (({5: "x"},), TypeError, "update takes a field of City (City.name, 'name' or FieldPath), not 5."),
        (({"id": "x"},), CendryError, "The id of a document can't be updated; save() this City under another id."),
        (({City.id: "x"},), CendryError, "The id of a document can't be updated"),
        (({"population": "x"},), InvalidValueError, "City.population: expected int, found str 'x'."),
        (({"population": None},), InvalidValueError, "City.population: expected int, found None."),
        (({"name": "a", City.name: "b"},), CendryError, "The update of City names 'name' twice."),
        (
            ({"mayor": None, "mayor.since": 2},),
            CendryError,
            "The update of City names 'mayor' and 'mayor.since', which is inside it; name only one of them.",
        ),
        (
            ({City.attributes["k"]: {}, FieldPath("attributes", "k", "x"): Increment(1)},),
            CendryError,
            "names 'attributes.k' and 'attributes.k.x', which is inside it",
        ),
        (
            ({"name": DELETE_FIELD},),
            InvalidValueError,
            "City.name: expected str (the field is required), found DELETE_FIELD.",
        ),
        (({"mayor.name": DELETE_FIELD},), InvalidValueError, "City.mayor.name: expected str (the field is required)"),
        (({"name": Increment(1)},), InvalidValueError, "City.name: expected str, found Increment(value=1)"),
        (({"budget": Increment(1)},), InvalidValueError, "City.budget: expected"),
        (({"population": Increment(1.5)},), InvalidValueError, "expected int, found Increment(value=1.5)"),
        (({"name": ArrayUnion(["x"])},), InvalidValueError, "City.name: expected str, found ArrayUnion(['x'])"),
        (({"regions": ArrayUnion([1])},), InvalidValueError, "expected list of str, found ArrayUnion([1])"),
        (({"name": SERVER_TIMESTAMP},), InvalidValueError, "City.name: expected str, found SERVER_TIMESTAMP"),
        ((), TypeError, "update() takes either changes or fields=: update(city, {City.name: 'x'})."),
        ((5,), TypeError, "update() takes changes as a dict ({City.name: 'x'}) or typed (City.name.set('x')), not 5."),
        ((dict,), TypeError, "update() takes changes as a dict"),
        (({}, {}), TypeError, FIRST_TYPE_ERROR),
    ],
)
def test_wrong_changes_are_refused_before_anything_is_sent(
    ctx: Any, backend: Any, sf: City, arguments: Any, error: type[Exception], message: str
) -> None:
    before = dict(vars(sf))
    with pytest.raises(error) as caught:
        ctx.update(sf, *arguments)
    assert message in str(caught.value)
    assert (backend.calls, vars(sf)) == ([], before)


def test_transforms_of_what_a_registry_stores_as_text_are_refused(make: Any, backend: Any) -> None:
    registry = TypeRegistry()
    registry.register(float, serialize=str, deserialize=float)
    registry.register(datetime, serialize=str, deserialize=datetime.fromisoformat)
    ctx = make(backend=backend, type_registry=registry)
    with pytest.raises(InvalidValueError, match=r"City\.area: expected float, found Increment"):
        ctx.update(City, "x", {"area": Increment(1.5)})
    with pytest.raises(InvalidValueError, match=r"Stamped\.created: expected .*, found SERVER_TIMESTAMP"):
        ctx.update(Stamped, "x", {"created": SERVER_TIMESTAMP})
    assert backend.calls == []


def test_an_increment_of_what_is_stored_as_text_is_refused(ctx: Any, backend: Any) -> None:
    class Priced(City, collection="priced"):
        pass

    with pytest.raises(InvalidValueError, match="budget"):
        ctx.update(Priced, "x", {"budget": Increment(1)})
    with pytest.raises(InvalidValueError, match=r"Stamped\.day: expected .* found "):
        ctx.update(Stamped, "x", {"day": SERVER_TIMESTAMP})
    assert backend.calls == []


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda ctx, sf: ctx.update(sf, {"name": "x"}, fields=["name"]),
            TypeError,
            "update() takes either changes or fields=",
        ),
        (lambda ctx, sf: ctx.update(City, "SF", fields=["name"]), TypeError, "fields= names fields of an instance"),
        (lambda ctx, sf: ctx.update(sf, fields="name"), TypeError, "fields= takes a list of fields, not 'name'."),
        (lambda ctx, sf: ctx.update(sf, fields=5), TypeError, "fields= takes a list of fields, not 5."),
        (lambda ctx, sf: ctx.update(sf, fields=[City.id]), CendryError, "The id of a document can't be updated"),
        (lambda ctx, sf: ctx.update(sf, fields=[FieldPath("x")]), CendryError, "FieldPath('x') is a stored path"),
        (lambda ctx, sf: ctx.update(City, None, {}), TypeError, "An id is needed with a class: (City, 'id')."),
        (lambda ctx, sf: ctx.delete(sf, "SF"), TypeError, "An id goes with a class; City(id='SF'"),
        (lambda ctx, sf: ctx.delete(Ref(City, "SF"), parent=sf), TypeError, "a Ref has its own."),
        (
            lambda ctx, sf: ctx.delete(Ref.from_path("cities/SF")),
            CendryError,
            "doesn't know the model of its document; use ref.as_model(City).",
        ),
        (lambda ctx, sf: ctx.delete(5), TypeError, "Expected an instance of a Model, not 5."),
        (lambda ctx, sf: ctx.save(City), TypeError, "Expected an instance of a Model, not <class"),
        (lambda ctx, sf: ctx.save(Base(name="x")), TypeError, "Base is abstract: it has no collection to write to."),
        (lambda ctx, sf: ctx.delete(City(name="x")), CendryError, "This City has no id; set one, or save() it first."),
        (
            lambda ctx, sf: ctx.delete(Area(name="x"), parent=sf),
            CendryError,
            "This Area has no id; set one, or save() it first.",
        ),
        (lambda ctx, sf: ctx.save(City(id="a/b", name="x")), InvalidDocumentIdError, "'a/b' is not a valid document"),
        (lambda ctx, sf: ctx.save(Area(name="x")), CendryError, "Area is a subcollection of City: pass the document"),
        (
            lambda ctx, sf: ctx.save(Area(id="a", name="x")),
            CendryError,
            "Area is a subcollection of City: pass the document",
        ),
        (
            lambda ctx, sf: ctx.save(Area(name="x"), parent=City(name="no id")),
            CendryError,
            "This City has no id; set one",
        ),
        (
            lambda ctx, sf: ctx.save(Area(name="x"), parent=Ref(Stamped, "x")),
            CendryError,
            "'stamped/x' is not a document of that collection.",
        ),
        (
            lambda ctx, sf: ctx.save(sf, if_unchanged=5),
            TypeError,
            "if_unchanged= takes True, an update time or an etag, not 5.",
        ),
        (
            lambda ctx, sf: ctx.save(City(id="SF", name="x"), if_unchanged=True),
            CendryError,
            "if_unchanged=True: no version of document 'cities/SF' is known for this City",
        ),
        (
            lambda ctx, sf: ctx.delete(City, "SF", if_unchanged=True),
            CendryError,
            "if_unchanged=True needs an instance; with a class and an id, pass the update time or etag.",
        ),
    ],
)
def test_wrong_targets_are_refused_before_anything_is_sent(
    ctx: Any, backend: Any, sf: City, call: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as caught:
        call(ctx, sf)
    assert message in str(caught.value)
    assert backend.calls == []


# if_unchanged


def test_if_unchanged_by_instance(ctx: Any, backend: Any, sf: City) -> None:
    other = ctx.get(City, "SF")
    ctx.save(sf, if_unchanged=True)
    ctx.update(sf, {City.name: "y"}, if_unchanged=True)
    ctx.update(sf, fields=[City.name], if_unchanged=True)
    before = dict(vars(other))
    for write in (
        lambda: ctx.save(other, if_unchanged=True),
        lambda: ctx.update(other, {City.name: "z"}, if_unchanged=True),
        lambda: ctx.delete(other, if_unchanged=True),
    ):
        with pytest.raises(StaleDocumentError, match=r"'cities/SF' has changed since it was read"):
            write()
    assert vars(other) == before
    ctx.refresh(other)
    ctx.delete(other, if_unchanged=True)
    assert backend.documents == {}


def test_if_unchanged_by_etag(ctx: Any, backend: Any, sf: City) -> None:
    etag = get_metadata(sf).etag
    assert re.fullmatch(r'"[\x21\x23-\x7e]+"', etag)
    assert get_metadata(ctx.get(City, "SF")).etag == etag
    for one in (etag, etag.strip('"')):
        ctx.save(sf, if_unchanged=one)
        ctx.update(City, "SF", {City.name: sf.name}, if_unchanged=one)
        with ctx.batch() as batch:
            batch.update(sf, City.name.set(sf.name), if_unchanged=one)
    assert {one.update_time for one in commits(backend)} == {get_metadata(sf).update_time}
    ctx.update(sf, {City.population: 9})
    newer = get_metadata(sf).etag
    assert newer != etag
    for write in (
        lambda: ctx.save(sf, if_unchanged=etag),
        lambda: ctx.update(sf, {City.population: 3}, if_unchanged=etag),
        lambda: ctx.delete(City, "SF", if_unchanged=etag),
    ):
        with pytest.raises(StaleDocumentError):
            write()
    ctx.delete(City, "SF", if_unchanged=newer)
    assert backend.documents == {}


@pytest.mark.parametrize(
    "change",
    [
        lambda etag: f"W/{etag}",
        lambda etag: "",
        lambda etag: "**",
        lambda etag: f"*, {etag}",
        lambda etag: ",",
        lambda etag: '"',
        lambda etag: etag[:-1],
        lambda etag: etag.replace('"', "'"),
        lambda etag: f"{etag} {etag}",
        lambda etag: f"{etag}, x",
        lambda etag: f"{etag}; {etag}",
        lambda etag: f'W/{etag}, "other"',
        lambda etag: f"w/{etag}",
        lambda etag: '""',
        lambda etag: '"\u20ac", ' + etag,
        lambda etag: '"' + "f" * 15 + etag[etag.index("-") :],
        lambda etag: etag[: etag.index("-")] + '-00000000"',
        lambda etag: etag + "\n",
        lambda etag: "x" * 100_000,
        lambda etag: ", " * 50_000 + "x",
        lambda etag: '"x",' * 50_000 + "x",
    ],
)
def test_other_etags_are_refused(ctx: Any, backend: Any, sf: City, change: Callable[[str], str]) -> None:
    etag = change(get_metadata(sf).etag)
    for write in (
        lambda: ctx.save(sf, if_unchanged=etag),
        lambda: ctx.update(City, "SF", {City.name: "x"}, if_unchanged=etag),
        lambda: ctx.delete(sf, if_unchanged=etag),
    ):
        with pytest.raises(InvalidEtagError, match="is not an etag of document 'cities/SF'") as caught:
            write()
        assert (caught.value.http_status, caught.value.etag, len(str(caught.value)) < 300) == (412, etag, True)
    assert backend.calls == []


@pytest.mark.parametrize(
    "change",
    [
        lambda etag: f"{etag}, {etag}",
        lambda etag: f'{etag},"other"',
        lambda etag: f'"a,b", W/"c" ,\t{etag},',
        lambda etag: f"W/{etag}, {etag}",
        lambda etag: f', "",, \t{etag}',
        lambda etag: f'"\xe9-gzip", {etag}',
        lambda etag: etag.strip('"') + ', "x"',
    ],
)
def test_of_several_etags_one_is_that_of_the_document(
    ctx: Any, backend: Any, sf: City, change: Callable[[str], str]
) -> None:
    known = get_metadata(sf)
    ctx.update(City, "SF", {City.name: "x"}, if_unchanged=change(known.etag))
    assert last(backend).update_time == known.update_time
    ctx.refresh(sf)
    newer = get_metadata(sf)
    for order in (1, -1):
        ctx.delete(City, "SF", if_unchanged=", ".join([known.etag, newer.etag][::order]))
        assert last(backend).update_time == newer.update_time
        ctx.save(sf)
        newer = get_metadata(sf)


@pytest.mark.parametrize("star", ["*", " *\t"])
def test_any_version_means_that_the_document_exists(ctx: Any, backend: Any, sf: City, star: str) -> None:
    ctx.save(sf, if_unchanged=star)
    assert (last(backend).must_exist, last(backend).update_time) == (True, None)
    ctx.update(sf, {City.name: "x"}, if_unchanged=star)
    ctx.delete(sf, if_unchanged=star)
    assert last(backend).must_exist
    for write in (
        lambda: ctx.save(sf, if_unchanged=star),
        lambda: ctx.update(sf, {City.name: "x"}, if_unchanged=star),
        lambda: ctx.delete(sf, if_unchanged=star),
    ):
        with pytest.raises(DocumentNotFoundError) as caught:
            write()
        assert ("cities/SF", 404) == (caught.value.path, caught.value.http_status)
    ctx.save(sf)
    assert not last(backend).must_exist


def test_an_etag_is_of_one_document(ctx: Any, sf: City) -> None:
    la, sf.name = City(id="LA", name="x"), "new"
    with ctx.batch() as batch:
        batch.save(sf)
        batch.save(la)
    assert get_metadata(sf).update_time == get_metadata(la).update_time
    with pytest.raises(InvalidEtagError):
        ctx.save(la, if_unchanged=get_metadata(sf).etag)


def test_if_unchanged_by_update_time(ctx: Any, backend: Any, sf: City) -> None:
    update_time = get_metadata(sf).update_time
    naive = update_time.replace(tzinfo=None)
    ctx.update(City, "SF", {City.name: "y"}, if_unchanged=update_time)
    assert last(backend).update_time == update_time
    for write in (
        lambda: ctx.update(City, "SF", {City.name: "z"}, if_unchanged=update_time),
        lambda: ctx.delete(City, "SF", if_unchanged=naive),
        lambda: ctx.save(City(id="SF", name="z"), if_unchanged=update_time),
    ):
        with pytest.raises(StaleDocumentError):
            write()
        assert last(backend).update_time == update_time
    ctx.save(sf, if_unchanged=False)
    assert last(backend).update_time is None


# delete


def test_delete(ctx: Any, backend: Any, sf: City) -> None:
    ctx.delete(sf)
    assert last(backend) == Delete("cities/SF")
    assert (backend.documents, sf.id) == ({}, "SF")
    ctx.delete(City, "SF")
    ctx.delete(Ref(City, "SF"))
    with pytest.raises(DocumentNotFoundError):
        ctx.delete(City, "SF", must_exist=True)


def test_a_deleted_instance_has_no_metadata_and_comes_back_where_it_was(ctx: Any, backend: Any, sf: City) -> None:
    area = Area(id="a", name="x")
    ctx.save(area, parent=sf)
    ctx.delete(area)
    with pytest.raises(CendryError, match=r"document 'cities/SF/areas/a' was deleted through this instance"):
        get_metadata(area)
    ctx.save(area)
    assert "cities/SF/areas/a" in backend.documents


# Where instances live


def test_the_remembered_parent_serves_at_any_depth(ctx: Any, backend: Any, sf: City) -> None:
    area = Area(id="a", name="x")
    ctx.save(area, parent=sf)
    spot = Spot(name="s")
    ctx.save(spot, parent=area)
    path = f"cities/SF/areas/a/spots/{spot.id}"
    assert list(backend.documents) == ["cities/SF", "cities/SF/areas/a", path]
    found = ctx.select_group(Spot).one()
    found.name = "t"
    ctx.save(found)
    ctx.update(found, {Spot.name: "u"})
    ctx.refresh(found)
    assert (found.name, backend.data(path)["name"]) == ("u", "u")
    ctx.update(Spot, found.id, {"name": "v"}, parent=area)
    ctx.refresh(spot, parent=area)
    assert spot.name == "v"
    ctx.delete(found)
    assert path not in backend.documents


def test_an_explicit_parent_wins(ctx: Any, backend: Any, sf: City) -> None:
    area = Area(id="a", name="x")
    ctx.save(area, parent=sf)
    ctx.save(area, parent=Ref(City, "LA"))
    assert get_metadata(area).path == "cities/LA/areas/a"
    ctx.save(area)
    assert {"cities/SF/areas/a", "cities/LA/areas/a"} < set(backend.documents)
    assert last(backend).path == "cities/LA/areas/a"


def test_a_changed_id_is_another_document(ctx: Any, backend: Any, sf: City) -> None:
    area = Area(id="a", name="x")
    ctx.save(area, parent=sf)
    area.id = "b"
    with pytest.raises(CendryError, match="or its id was changed since"):
        get_metadata(area)
    with pytest.raises(CendryError, match="if_unchanged=True: no version of document 'cities/SF/areas/b' is known"):
        ctx.save(area, if_unchanged=True)
    ctx.save(area)
    assert {"cities/SF/areas/a", "cities/SF/areas/b"} < set(backend.documents)
    area.id = None
    ctx.save(area)
    assert last(backend).path == f"cities/SF/areas/{area.id}"


# Many at once


def test_save_many(ctx: Any, backend: Any, sf: City) -> None:
    cities = [City(name="a"), City(id="b", name="b")]
    ids = ctx.save_many(city for city in cities)
    assert ids == [cities[0].id, "b"]
    assert len(backend.plans("commit")) == 1
    assert [get_metadata(city).path for city in cities] == [f"cities/{one}" for one in ids]
    areas = (Area(name="x"), Area(name="y"))
    ctx.save_many(areas, parent=sf, merge=True)
    assert all(write.mask is not None for write in backend.plans("commit")[-1])
    ctx.save_many([*areas, sf])
    assert [write.path for write in backend.plans("commit")[-1]] == [get_metadata(one).path for one in (*areas, sf)]


def test_empty_inputs_send_nothing(ctx: Any, backend: Any) -> None:
    assert ctx.save_many([]) == []
    ctx.delete_many(iter(()))
    ctx.delete_many(City, [])
    assert backend.calls == []


def test_at_most_500_at_once(ctx: Any, backend: Any) -> None:
    cities = [City(name=str(index)) for index in range(501)]
    message = "One atomic commit takes at most 500 writes, and this is write number 501; nothing was written."
    with pytest.raises(CendryError, match=message):
        ctx.save_many(cities)
    with pytest.raises(CendryError, match=message):
        ctx.delete_many(City, map(str, range(501)))
    assert ({city.id for city in cities}, backend.calls) == ({None}, [])
    ctx.save_many(cities[:500])
    assert len(backend.documents) == 500


def test_save_many_is_all_or_nothing(ctx: Any, backend: Any) -> None:
    cities = [City(name="a"), City(name="b", population="x")]  # type: ignore[arg-type]
    with pytest.raises(InvalidValueError):
        ctx.save_many(cities)
    assert ([city.id for city in cities], backend.calls) == ([None, None], [])
    cities[1].population = 1
    backend.fail("commit", StaleDocumentError("cities/a"))
    with pytest.raises(StaleDocumentError):
        ctx.save_many(cities)
    assert [city.id for city in cities] == [None, None]


def test_errors_name_which_of_several_instances(ctx: Any, backend: Any) -> None:
    good, bad = City(id="a", name="a"), City(id="b", name="b", population="x")  # type: ignore[arg-type]
    unnamed = City(name="c", population="x")  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match=r"population.* It is instance 1 \(counted from 0\), with the id 'b'\.$"):
        ctx.save_many([good, bad])
    with pytest.raises(ValidationError, match=r" It is instance 2 \(counted from 0\)\.$"):
        ctx.save_many([good, good, unnamed])
    with pytest.raises(ValidationError, match=r" It is instance 1 \(counted from 0\), with the id 'b'\.$"):
        ctx.save_many((one for one in (good, bad)), atomic=False)
    with pytest.raises(TypeError, match=r" It is instance 1 \(counted from 0\)\.$"):
        ctx.save_many([good, "b"])
    with ctx.bulk() as bulk:
        bulk.save(good)
        bulk.delete(City, "x")
        which = r" It is write 2 of this bulk \(counted from 0\)"
        with pytest.raises(ValidationError, match=f"{which}, with the id 'b'\\.$"):
            bulk.save(bad)
        with pytest.raises(ValidationError, match=f"{which}\\.$"):
            bulk.create(unnamed)
    assert (2, None) == (bulk.result.written, unnamed.id)


@pytest.mark.parametrize("error", [OverflowError("too many", "rats"), OverflowError("rats"), GeneratorExit("rats")])
def test_errors_of_others_pass_as_they_are(ctx: Any, backend: Any, error: BaseException) -> None:
    class Infested(Model, collection="cities"):
        name: Field[str]

        def __validate__(self) -> None:
            raise error

    unnamed, arguments = Infested(name="b"), error.args
    with pytest.raises(type(error)) as caught:
        ctx.save_many([City(id="a", name="a"), unnamed])
    assert (arguments, None, []) == (caught.value.args, unnamed.id, backend.calls)


def test_delete_many(ctx: Any, backend: Any, sf: City) -> None:
    cities = [City(id=name, name=name) for name in "abcdef"]
    ctx.save_many(cities)
    ctx.delete_many(cities[:2])
    ctx.delete_many(City, (name for name in "cd"))
    ctx.delete_many([Ref(City, "e"), cities[5]])
    ctx.delete_many(City, [Ref(City, "SF")])
    assert backend.documents == {}
    with pytest.raises(DocumentNotFoundError):
        ctx.delete_many(City, ["x"], must_exist=True)
    area = Area(id="a", name="x")
    ctx.save(area, parent=sf)
    ctx.delete_many(Area, ["a"], parent=sf)
    assert backend.documents == {}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda ctx: ctx.save_many(City(name="x")), "save_many() takes instances as a list, not City("),
        (lambda ctx: ctx.save_many("x"), "save_many() takes instances as a list, not 'x'."),
        (lambda ctx: ctx.save_many(5), "save_many() takes instances as a list, not 5."),
        (lambda ctx: ctx.save_many([5]), "Expected an instance of a Model, not 5."),
        (lambda ctx: ctx.delete_many(City, "SF"), "delete_many() takes ids as a list, not 'SF'."),
        (lambda ctx: ctx.delete_many([], []), "delete_many() takes instances, or a class and ids."),
    ],
)
def test_lists_are_demanded(ctx: Any, backend: Any, call: Any, message: str) -> None:
    with pytest.raises(TypeError) as caught:
        call(ctx)
    assert message in str(caught.value)
    assert backend.calls == []
