"""The indexes of the target, from an index.yaml and from what entities have in indexes. Nothing here sends."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cendry.indexes import Index
from cendry_datastore.migrate.indexing import IndexScan, KindIndexes, Layout, composites_of, target_indexes
from cendry_datastore.migrate.values import Transform
from google.cloud import datastore
from google.cloud.datastore import helpers

ADDRESS = Transform("Shop", "address", "nest")
VISITS = Transform("Shop", "visits", "nest", {"list": True})


def entity(*path: str | int, excluded: Iterable[str] = (), **properties: Any) -> Any:
    made = datastore.Entity(datastore.Key(*path, project="p"), exclude_from_indexes=tuple(excluded))
    made.update(properties)
    return helpers.entity_to_protobuf(made)._pb


def known(collection: str, *entities: Any, transforms: Iterable[Transform] = ()) -> KindIndexes:
    scan = IndexScan()
    for each in entities:
        scan.see(each)
    return KindIndexes(collection, Layout(transforms), scan)


def index_yaml(kind: str, *names: str, ancestor: str = "no") -> str:
    lines = [f"- kind: {kind}", f"  ancestor: {ancestor}", "  properties:"]
    for name in names:
        lines += [f"  - name: {name.removesuffix('-')}", *(["    direction: desc"] if name.endswith("-") else [])]
    return "\n".join([*lines, ""])


def shown(indexes: Iterable[Index]) -> list[tuple[str, str, list[str]]]:
    """Collection, scope and fields: `a` ascending, `-a` descending, `a[]` by elements."""
    signs = {"ASCENDING": "{}", "DESCENDING": "-{}", "CONTAINS": "{}[]"}
    return [(each.collection, each.scope, [signs[mode].format(path) for path, mode in each.parts]) for each in indexes]


def test_kinds_follow_their_collections() -> None:
    text = index_yaml("Shop", "name", "age-") + index_yaml("Gone", "a", "b")
    found = composites_of(text, {"Shop": known("shops", entity("Shop", 1, name="a"))})
    assert [
        ("shops", "COLLECTION", ["name", "-age", "-__name__"]),
        ("Gone", "COLLECTION", ["a", "b", "__name__"]),
    ] == shown(found.indexes)
    assert () == found.dropped


def test_parts_of_groups_follow_what_becomes_of_them() -> None:
    text = index_yaml("Shop", "address.city", "name")
    assert ["address.city", "name", "__name__"] == shown(
        composites_of(text, {"Shop": known("Shop", transforms=[ADDRESS])}).indexes
    )[0][2]
    # Copied as it is stored, the name has a dot.
    assert ["`address.city`", "name", "__name__"] == shown(composites_of(text, {"Shop": known("Shop")}).indexes)[0][2]


def test_arrays_are_indexed_by_their_elements() -> None:
    seen = known("Shop", entity("Shop", 1, tags=["a"], name="x", many=[1]))
    text = index_yaml("Shop", "tags", "name-") + index_yaml("Shop", "name", "tags-") + index_yaml("Shop", "__key__-")
    assert [
        ["tags[]", "-name", "-__name__"],
        # A query for an element and for a name.
        ["name", "tags[]", "__name__"],
        ["-__name__"],
    ] == [fields for _, _, fields in shown(composites_of(text, {"Shop": seen}).indexes)]
    two = composites_of(index_yaml("Shop", "tags", "many"), {"Shop": seen})
    assert ((), ("Shop (tags, many, __name__): an index holds the elements of one array at most",)) == (
        two.indexes,
        two.dropped,
    )


def test_no_index_reaches_into_a_list_of_maps() -> None:
    text = index_yaml("Shop", "visits.day", "name") + index_yaml("Shop", "name", "age")
    found = composites_of(text, {"Shop": known("Shop", transforms=[VISITS])})
    assert [["name", "age", "__name__"]] == [fields for _, _, fields in shown(found.indexes)]
    assert ("Shop (visits.day, name, __name__): no index reaches into a list of maps",) == found.dropped


def test_kinds_with_parents_are_searched_in_groups_too() -> None:
    items = known("Item", entity("Shop", 1, "Item", 1, a=1))
    found = composites_of(index_yaml("Item", "a", "b"), {"Item": items})
    assert ["COLLECTION", "COLLECTION_GROUP"] == [scope for _, scope, _ in shown(found.indexes)]


def test_exemptions() -> None:
    seen = known(
        "Shop",
        entity("Shop", 1, excluded=["bio", "name", "tags", "visits.day", "visits.at"], bio="a", name="b", tags=["a"]),
        entity("Shop", 2, name="b", empty=[], **{"address.city": "Rome"}),
        entity("Shop", 3, excluded=["address.street"], **{"address.street": "a", "visits.day": [1], "visits.at": [1]}),
        transforms=[ADDRESS, VISITS],
    )
    assert ("address.street", "bio", "tags") == seen.scan.exempt(seen.layout)
    # As they are stored, the names have dots.
    assert ("`address.street`", "bio", "tags") == seen.scan.exempt(Layout())
    whole = known("Shop", entity("Shop", 1, excluded=["visits.day"], **{"visits.day": [1]}), transforms=[VISITS])
    assert ("visits",) == whole.scan.exempt(whole.layout)


def test_what_is_to_be_created() -> None:
    composites = composites_of(index_yaml("Shop", "a", "b"), {})
    found = target_indexes(composites, {"Shop": ["`a.b`", "c"]})
    assert composites.indexes == found.indexes
    assert [("Shop", "`a.b`", []), ("Shop", "c", [])] == [
        (each["collectionGroup"], each["fieldPath"], each["indexes"]) for each in (o.to_json() for o in found.overrides)
    ]
    assert () == target_indexes(None, {}).indexes
