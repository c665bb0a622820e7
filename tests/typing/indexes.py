"""What type checkers make of index files, of what models declare, and of recordings."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from typing_extensions import assert_type

from cendry import Cendry, Field, FieldPath, MemoryBackend, MissingIndexError, Model, Vector, field
from cendry.indexes import (
    FieldIndex,
    FieldOverride,
    Index,
    IndexCheck,
    IndexConflictError,
    Indexes,
    Mode,
    Need,
    Part,
    QueryScope,
    VectorPart,
    check,
    combine,
    derive,
    from_datastore,
    merge,
    needs_of,
    parse_indexes,
    parse_recording,
    read_indexes,
    read_recording,
    to_firebase,
    to_gcloud,
    to_recording,
    to_terraform,
)
from cendry.plan import AggregationPlan, QueryPlan


class City(Model, collection="cities"):
    name: Field[str]
    payload: Field[str] = field(index=False)
    expires: Field[datetime | None] = field(default=None, ttl=True)
    embedding: Field[Vector | None] = field(default=None, dimension=768)


class Town(Model, collection="towns"):
    name: Field[str] = field(index="no")  # error: mypy pyright ty
    expires: Field[datetime | None] = field(default=None, ttl=1)  # error: mypy pyright ty
    embedding: Field[Vector | None] = field(default=None, dimension="768")  # error: mypy pyright ty


# --- reading ---

have = read_indexes("firestore.indexes.json")
assert_type(have, Indexes)
assert_type(read_indexes(Path("firestore.indexes.json")), Indexes)
assert_type(read_indexes({"indexes": []}), Indexes)
assert_type(parse_indexes('{"indexes": []}', "firestore.indexes.json"), Indexes)
assert_type(have.indexes, tuple[Index, ...])
assert_type(have.overrides, tuple[FieldOverride, ...])
assert_type(have.warnings, tuple[str, ...])
read_indexes(5)  # error: mypy pyright ty
parse_indexes(b'{"indexes": []}')  # error: mypy pyright ty

index = have.indexes[0]
assert_type(index.collection, str)
assert_type(index.parts, tuple[Part, ...])
assert_type(index.parts[0], tuple[FieldPath, Mode])
assert_type(index.scope, QueryScope)
assert_type(index.vector, tuple[FieldPath, int] | None)


def dimension_of(part: VectorPart) -> int:
    return assert_type(part[1], int)


assert_type(index.to_json(whole=True), dict[str, Any])
assert_type(Index.from_json({}), Index)
Index("cities", ((FieldPath("name"), "ASCENDING"),), "COLLECTION_GROUP")
Index("cities", ((FieldPath("name"), "UPWARDS"),))  # error: mypy pyright ty
Index("cities", (), "GROUP")  # error: mypy pyright ty
index.scope = "COLLECTION"  # error: mypy pyright ty

override = have.overrides[0]
assert_type(override.path, FieldPath | None)
assert_type(override.indexes, frozenset[FieldIndex] | None)
assert_type(override.ttl, bool | None)
FieldOverride("cities", None, frozenset({("COLLECTION", "ASCENDING")}), ttl=True)
FieldOverride("cities", "name")  # error: mypy pyright ty

# --- what is wanted ---

wanted = derive(City, Town)
assert_type(wanted, Indexes)
derive("cities")  # error: mypy pyright ty
derive([City])  # error: mypy pyright ty

plan = QueryPlan("cities")
needs = needs_of(plan)
assert_type(needs, tuple[Need, ...])
assert_type(needs[0].tail, tuple[Part, ...])
assert_type(needs[0].index, Index)


def of_sums(aggregation: AggregationPlan) -> tuple[Need, ...]:
    return needs_of(plan, aggregation)


needs_of(City)  # error: mypy pyright ty

recorded = read_recording("recorded.json", City, Town)
assert_type(recorded, tuple[Need, ...])
assert_type(parse_recording("{}"), tuple[Need, ...])
assert_type(to_recording(recorded), str)
read_recording("recorded.json", "cities")  # error: mypy pyright ty
to_recording([City])  # error: mypy pyright ty

# --- comparing, writing ---

found = check(have, recorded, wanted, name="firestore.indexes.json")
assert_type(found, IndexCheck)
assert_type(found.missing, tuple[Index | FieldOverride, ...])
assert_type(found.unused, tuple[Index, ...])
assert_type(found.warnings, tuple[str, ...])
check(have, wanted)  # error: mypy pyright ty
check("firestore.indexes.json", recorded)  # error: mypy pyright ty

assert_type(combine(wanted, recorded), Indexes)
assert_type(merge("{}", wanted, recorded, prune=True), str)
merge(have, wanted)  # error: mypy pyright ty
merge("{}", recorded)  # error: mypy pyright ty
merge("{}", wanted, recorded, True)  # error: mypy pyright ty

assert_type(to_firebase(wanted), str)
assert_type(to_gcloud(wanted, project="p", database="d"), list[str])
assert_type(to_terraform(wanted), str)
to_gcloud(City)  # error: mypy pyright ty
to_terraform(wanted, "p")  # error: mypy pyright ty
assert_type(from_datastore("indexes:", {"City": "cities"}), Indexes)
from_datastore("indexes:", {"City": City})  # error: mypy pyright ty

# --- strict indexes ---

ctx = Cendry(backend=MemoryBackend(strict_indexes="firestore.indexes.json"))
MemoryBackend(strict_indexes={"indexes": []})
MemoryBackend(strict_indexes=5)  # error: mypy pyright ty
try:
    ctx.select(City).to_list()
except MissingIndexError as error:
    assert_type(error.index, dict[str, Any] | list[dict[str, Any]] | None)
except IndexConflictError as error:
    assert_type(error, IndexConflictError)
