"""What is counted of the entities of a kind: those that don't fit a model, and traps."""

from __future__ import annotations

from datetime import date, datetime, timezone
from typing import Annotated, Any

import pytest
from cendry import Field, Map, Model, field
from cendry_datastore._keys import Partition
from cendry_datastore.migrate._validate import DottedAliasError, KindScan, check_aliases, models_by_kind, report_of
from cendry_datastore.migrate.reports import KindReport, Problem, TrapReport
from cendry_datastore.migrate.traps import TrapScan
from google.cloud import datastore
from google.cloud.datastore import helpers

HOME = Partition("p", "", "")


class Address(Map):
    city: Field[str]


class Account(Model, collection="Account"):
    name: Field[str]
    born: Field[date | None] = field(default=None)
    homes: Field[list[Address]] = field(default_factory=list)
    secret: Field[str] = field(default="", repr=False)


class Shop(Model, collection="Shop"):
    address: Field[Address]


def entity(kind: str, name: str | int, /, *excluded: str, **properties: Any) -> Any:
    """An `Entity` message."""
    made = datastore.Entity(datastore.Key(kind, name, project="p"), exclude_from_indexes=excluded)
    made.update(properties)
    return helpers.entity_to_protobuf(made)._pb


def scan_of(model: type[Model] | None, *entities: Any) -> KindScan:
    scan = KindScan("Account", model, HOME)
    for each in entities:
        scan.see(each)
    return scan


def test_entities_that_fit_are_counted() -> None:
    scan = scan_of(Account, entity("Account", 1, name="A"), entity("Account", 2, name="B", more=1))
    assert (KindReport("Account", 2, "Account", 2), []) == (scan.report(), scan.problems())


def test_problems_are_grouped_and_show_no_values() -> None:
    entities = [entity("Account", n, name="A", born="yesterday") for n in range(1, 6)]
    scan = scan_of(Account, *entities, entity("Account", 9, name=3, homes=[{"city": "x"}, {"city": 1}, {"city": 2}]))
    paths = tuple(f"Account/__id{n}__" for n in (1, 2, 3))
    assert KindReport("Account", 6, "Account", 0) == scan.report()
    assert 6 == scan.report().problems
    [born, city, name] = scan.problems()
    assert ("born", "str", 5, paths) == (born.field, born.found, born.count, born.paths)
    assert ("homes[].city", "str", "int", 2) == (city.field, city.expected, city.found, city.count)
    assert Problem("Account", "name", "str", "int", 1, ("Account/__id9__",), model="Account") == name
    assert "yesterday" not in repr(scan.problems())


def test_a_missing_field_is_told_from_a_wrong_one() -> None:
    [problem] = scan_of(Account, entity("Account", 1)).problems()
    assert ("name", "nothing") == (problem.field, problem.found)


def test_hidden_values_stay_hidden() -> None:
    [problem] = scan_of(Account, entity("Account", 1, name="A", secret=12345)).problems()
    assert "12345" not in repr(problem)
    assert "secret" == problem.field


def test_unknown_fields_are_problems_where_the_class_forbids_them() -> None:
    class Strict(Model, collection="Account", extra="forbid"):
        name: Field[str]

    [problem] = scan_of(Strict, entity("Account", 1, name="A", more=1)).problems()
    assert ("more", "a field that the model doesn't have") == (problem.field, problem.found)


def test_what_is_stored_in_parts_needs_ndb() -> None:
    scan = KindScan("Shop", Shop, HOME)
    scan.see(entity("Shop", "a", **{"address.city": "Rome", "address.street": "Main"}))
    [problem] = scan.problems()
    assert ("address", "parts of it (address.city, address.street)") == (problem.field, problem.found)
    assert "use --ndb" == problem.advice


def test_with_ndb_parts_are_read_as_the_migration_makes_them() -> None:
    scan = KindScan("Shop", Shop, HOME, ndb=True)
    scan.see(entity("Shop", "a", **{"address.city": "Rome"}))
    scan.see(entity("Shop", "b", **{"address.city": 1}))
    assert 1 == scan.fits
    [problem] = scan.problems()
    assert ("address.city", "str", "int", ("Shop/b",)) == (
        problem.field,
        problem.expected,
        problem.found,
        problem.paths,
    )


def test_rules_are_not_checked_on_reading_but_constructors_run() -> None:
    class Refusing(Model, collection="Account"):
        name: Field[str]

        def __post_init__(self) -> None:
            if self.name == "":
                raise ValueError("the name is empty")

        def __validate__(self) -> None:
            raise ValueError("never valid")

    scan = scan_of(Refusing, entity("Account", 1, name="A"), entity("Account", 2, name=""))
    assert 1 == scan.fits
    [problem] = scan.problems()
    assert (1, ("Account/__id2__",)) == (problem.count, problem.paths)


def test_a_kind_without_a_model_is_only_counted() -> None:
    scan = scan_of(None, entity("Account", 1, name=1))
    assert (KindReport("Account", 1, None, 0), []) == (scan.report(), scan.problems())
    assert 0 == scan.report().problems
    assert report_of([scan]).ok


def test_very_many_different_problems_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cendry._scan.misfits.MAX_MISFITS", 1)
    scan = scan_of(Account, entity("Account", 1, name=1, born=2), entity("Account", 2, name=1))
    first, further = scan.problems()
    assert (2, "further problems", 1) == (first.count, further.found, further.count)


def test_of_tagged_models_the_base_reads_all() -> None:
    class Event(Model, collection="events", tag_field="type"):
        pass

    class Click(Event, tag="click"):
        x: Field[int]

    class Other(Model, collection="events"):
        x: Field[int]

    assert {"events": (Event,), "Shop": (Shop,)} == models_by_kind([Click, Event, Shop])
    assert {"events": (Event, Other)} == models_by_kind([Event, Click, Other])


def test_an_alias_of_a_part_breaks_after_the_migration() -> None:
    class Old(Model, collection="Shop"):
        city: Annotated[Field[str], field(alias="address.city")]

    check_aliases([Shop])
    with pytest.raises(DottedAliasError, match=r"Old\.city is stored as 'address\.city'.*declare it as a Map"):
        check_aliases([Old])


def traps_of(*entities: Any) -> list[TrapReport]:
    scan = TrapScan("Account", HOME)
    for each in entities:
        scan.see(each)
    return scan.report()


def test_an_entity_without_traps() -> None:
    moment = datetime(2026, 11, 28, tzinfo=timezone.utc)
    key = datastore.Key("Account", 2, project="p")
    assert [] == traps_of(entity("Account", 1, "long", name="A", long="x" * 1500, at=moment, boss=key, tags=[1, None]))


def test_keys_into_other_places() -> None:
    foreign = datastore.Key("Account", 2, project="q")
    there = datastore.Key("Account", 2, project="p", namespace="n")
    elsewhere = datastore.Key("Account", 2, project="p", database="d")
    found = traps_of(
        entity("Account", 1, boss=foreign, friends=[foreign, foreign]),
        entity("Account", 2, boss=foreign, a=there),
        entity("Account", 3, b=elsewhere),
    )
    assert [
        TrapReport("key into another database", "Account", "b", 1, "d"),
        TrapReport("key into another namespace", "Account", "a", 1, "n"),
        TrapReport("key into another project", "Account", "boss", 2, "q"),
        TrapReport("key into another project", "Account", "friends", 1, "q"),
    ] == found


def test_names_texts_meanings_and_embedded_keys() -> None:
    inner = datastore.Entity(datastore.Key("Inner", 1, project="p"), exclude_from_indexes=["text"])
    inner["text"] = "é" * 800
    made = entity("Account", "a/b" + "c" * 50, inner=inner)
    made.properties["bio"].meaning = 22
    made.properties["bio"].blob_value = b"x"
    made.properties["user"].meaning = 20
    made.properties["user"].entity_value.SetInParent()
    made.properties["text"].meaning = 15
    made.properties["text"].string_value = "x"
    assert [
        TrapReport("compressed (meaning 22)", "Account", "bio", 1),
        TrapReport("key of an embedded entity, which becomes a field", "Account", "inner", 1),
        TrapReport("meaning 20, which Native mode doesn't have", "Account", "user", 1),
        TrapReport("name that Native mode must escape", "Account", "", 1, f"'a/b{'c' * 34}...'"),
        TrapReport("text of which queries see the first 1,500 bytes", "Account", "inner.text", 1),
    ] == traps_of(made)


def test_very_many_traps_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cendry_datastore.migrate.traps.MAX_FIELDS", 1)
    foreign = datastore.Key("Account", 2, project="q")
    assert 1 == len(traps_of(entity("Account", 1, a=foreign, b=foreign)))
