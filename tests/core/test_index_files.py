"""Index files: what is derived from models, checked, merged and written, and the forms of other tools."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from cendry import Field, Map, MissingIndexError, Model, Vector, field
from cendry.indexes import (
    FieldOverride,
    Index,
    IndexConflictError,
    Indexes,
    Need,
    check,
    combine,
    derive,
    from_datastore,
    merge,
    needs_of,
    parse_indexes,
    parse_recording,
    read_recording,
    to_firebase,
    to_gcloud,
    to_recording,
    to_terraform,
)
from cendry.indexes.messages import index_in
from cendry.indexes.recording import other_collections
from cendry.paths import FieldPath
from cendry.plan import AggregationPlan, Condition
from core.test_indexes import AUTOMATIC, ROWS, asked, both, composite, cond, declared, near, override, plan
from hypothesis import given
from hypothesis import strategies as st


class Meta(Map):
    raw: Field[str] = field(alias="r", default="", index=False)
    vector: Field[Vector | None] = field(default=None, dimension=2)


@dataclass
class Size:
    width: int


class Session(Model, collection="sessions"):
    size: Field[Size | None] = field(default=None)
    user: Field[str]
    until: Field[datetime] = field(alias="expires", ttl=True)
    seen: Field[datetime | None] = field(default=None, index=False)
    meta: Field[Meta | None] = field(default=None)
    embedding: Field[Vector | None] = field(default=None, dimension=3)
    loose: Field[Vector | None] = field(default=None)


class Other(Model, collection="sessions"):
    user: Field[str]


class Exempt(Model, collection="sessions"):
    user: Field[str] = field(index=False)


class Node(Map):
    note: Field[str] = field(index=False)
    next: Field[Node | None] = field(default=None)


class Chain(Model, collection="chains"):
    first: Field[Node]


# --- derived from models ---


def test_models_declare_vectors_exemptions_and_times_to_live() -> None:
    found = json.loads(to_firebase(derive(Session, Other)))
    vector = {"fieldPath": "embedding", "vectorConfig": {"dimension": 3, "flat": {}}}
    inner = {"fieldPath": "meta.vector", "vectorConfig": {"dimension": 2, "flat": {}}}
    whole = {"collectionGroup": "sessions", "queryScope": "COLLECTION"}
    assert [{**whole, "fields": [vector]}, {**whole, "fields": [inner]}] == found["indexes"]
    assert [
        {"collectionGroup": "sessions", "fieldPath": "expires", "ttl": True, "indexes": AUTOMATIC},
        {"collectionGroup": "sessions", "fieldPath": "meta.r", "indexes": []},
        {"collectionGroup": "sessions", "fieldPath": "seen", "indexes": []},
    ] == found["fieldOverrides"]
    assert Indexes() == derive() == derive(Other)
    # Maps inside themselves are followed once.
    assert ["first.note"] == [str(each.path) for each in derive(Chain).overrides]


def test_models_of_one_collection_agree() -> None:
    for models in ((Other, Exempt), (Exempt, Other)):
        with pytest.raises(IndexConflictError, match=r"are of one collection, 'sessions', and declare index= or ttl="):
            derive(*models)

    class Twice(Model, collection="twice"):
        one: Field[datetime] = field(ttl=True)
        two: Field[datetime] = field(ttl=True)

    with pytest.raises(IndexConflictError, match="'twice' has times to live in two fields, one and two"):
        derive(Twice)

    class Text(Model, collection="texts"):
        until: Field[str] = field(ttl=True)

    with pytest.raises(TypeError, match=r"Text.until can't be a time to live \(ttl=True\): it is not a datetime"):
        derive(Text)

    class Abstract(Model, abstract=True):
        name: Field[str]

    with pytest.raises(TypeError, match="Abstract has no collection"):
        derive(Abstract)
    for wrong in ({"index": 1}, {"ttl": None}):
        with pytest.raises(TypeError, match="takes True or False"):

            class Wrong(Model, collection="wrong"):
                name: Field[str] = field(**wrong)


# --- check ---


def needs(*rows: str) -> list[Any]:
    found: list[Any] = []
    for row in rows:
        query = ROWS[row][0]
        found += needs_of(query.query, query) if isinstance(query, AggregationPlan) else needs_of(query)
    return found


def test_a_check_names_what_is_missing_and_what_nothing_uses() -> None:
    have = declared(composite("s c"), composite("x y"), composite("emb!"), composite("color emb!"))
    found = check(have, needs("15", "19", "36, ascending", "36, descending", "42", "28", "1", "19"))
    composites = [each.to_json(whole=True) for each in found.missing if isinstance(each, Index)]
    assert [composite("tags* c n")] == composites
    (united,) = [each.to_json() for each in found.missing if isinstance(each, FieldOverride)]
    group = [{"order": order, "queryScope": "COLLECTION_GROUP"} for order in ("ASCENDING", "DESCENDING")]
    assert override("f", *AUTOMATIC, *group) == united
    assert [composite("x y"), composite("emb!")] == [each.to_json() for each in found.unused]
    assert () == found.warnings
    assert (1,) == (len(check(declared(composite("a b"), composite("a b")), []).warnings),)


def test_a_check_knows_what_models_declare() -> None:
    wanted = derive(Session)
    found = check(Indexes(), [], wanted)
    assert set(wanted.indexes) | set(wanted.overrides) == set(found.missing)
    # An index with settings serves as well.
    (vector, inner) = wanted.indexes
    have = Indexes([Index.from_json({**vector.to_json(), "density": "DENSE"}), inner], wanted.overrides)
    assert ((), ()) == (check(have, [], wanted).missing, check(have, [], wanted).unused)
    assert to_firebase(have) == merge(to_firebase(have), wanted)

    class Doc(Model, collection="c"):
        a: Field[str] = field(index=False)

    with pytest.raises(IndexConflictError, match=r"needs an index of the field a of 'c', and its model exempts it"):
        check(Indexes(), needs("1"), derive(Doc))


def test_a_check_tells_of_fields_that_the_file_indexes_and_their_model_exempts() -> None:
    class Doc(Model, collection="c"):
        a: Field[dict[str, str]] = field(index=False)
        b: Field[str] = field(index=False)

    have = declared(override("a", *AUTOMATIC), override("b"))
    text = (
        "The field a of 'c' is exempted by its model (index=False), and firestore.indexes.json indexes it, which a "
        "recorded query needs. Remove index=False."
    )
    found = check(have, needs("1"), derive(Doc))
    assert ((), (text,)) == (found.missing, found.warnings)
    # What is indexed is a map, and with it what is in it.
    inner = needs_of(plan(Condition(FieldPath("a", "x"), "==", 1)))
    assert (text,) == check(have, inner, derive(Doc)).warnings
    # No query uses it, or another index serves the query, or the model doesn't exempt it.
    assert () == check(have, needs("7"), derive(Doc)).warnings
    have = declared(override("a", *AUTOMATIC), override("b"), composite("a c"))
    assert () == check(have, needs_of(plan(cond("a =="), "c")), derive(Doc)).warnings
    assert () == check(have, needs("1")).warnings


def test_a_check_tells_of_exempted_fields_that_queries_use() -> None:
    have = declared(override("a"), override("s"), override("unused"), composite("s c"))
    found = check(have, needs("1", "15", "7"))
    assert ("The field a of 'c' is exempted from indexes, and a recorded query filters or sorts by it.",) == (
        found.warnings
    )
    # An exemption of a map is one of what is in it.
    have = declared(override("a"))
    (warning,) = check(have, needs_of(plan(Condition(FieldPath("a", "b"), "==", 1)))).warnings
    assert "The field a.b of 'c' is exempted" in warning


def test_what_is_added_serves_what_follows() -> None:
    queries = [plan(both("a ==", "b =="), "c"), plan("a ==", "c"), plan("b ==", "c")]
    assert 3 == len(check(Indexes(), [need for query in queries for need in needs_of(query)]).missing)
    queries.reverse()
    assert 2 == len(check(Indexes(), [need for query in queries for need in needs_of(query)]).missing)


# --- merge ---

FILE = """// ours
{
    "indexes": [
        {"collectionGroup": "c", "queryScope": "COLLECTION",
         "fields": [{"fieldPath": "b", "order": "DESCENDING"}, {"fieldPath": "a", "order": "ASCENDING"},
                    {"fieldPath": "c", "order": "ASCENDING"}]} // by hand
        /* the end */
    ],
    "fieldOverrides": [
        {"collectionGroup": "c", "fieldPath": "f", "indexes": []}
    ],
    "more": 1
}
"""


def is_kept(before: str, after: str) -> bool:
    """Whether all that was there is there still, in its order."""
    rest = iter(after)
    return all(each in rest for each in before)


def test_only_what_a_file_does_not_serve_is_added() -> None:
    served = needs_of(plan(both("a ==", "b =="), "c"))
    assert FILE == merge(FILE, None, served)
    assert FILE == merge(FILE, declared(override("f")), needs("28"))
    merged = merge(FILE, derive(Session), [*needs("15", "41, equality", "36, array"), *served])
    assert is_kept(FILE, merged)
    assert '{"fieldPath": "c", "order": "ASCENDING"}]}, // by hand\n        /* the end */\n        {\n' in merged
    assert '          "collectionGroup": "sessions",\n' in merged
    found = parse_indexes(merged)
    assert all(map(found.serves, [*needs("15", "41, equality", "36, array"), *served]))
    (exempted,) = [each for each in found.overrides if str(each.path) == "f"]
    assert [("COLLECTION", "ASCENDING"), ("COLLECTION_GROUP", "CONTAINS")] == sorted(exempted.indexes or ())
    assert set(derive(Session).indexes) < set(found.indexes)
    assert set(derive(Session).overrides) < set(found.overrides)
    assert merged == merge(merged, derive(Session), [*needs("15", "41, equality", "36, array"), *served])


@pytest.mark.parametrize(
    "text",
    [
        '{"indexes": []}',
        '{"indexes": [], "fieldOverrides": null}',
        '{"indexes": [\n  ], "fieldOverrides": []\n}',
        '{\r\n\t"indexes": [\r\n\t]\r\n}\r\n',
        '{"indexes": [{"collectionGroup": "c", "fields": [{"fieldPath": "x", "order": "ASCENDING"}]}]} // end',
        '\ufeff{"indexes": []}'[1:],
    ],
)
def test_files_of_any_layout_are_added_to(text: str) -> None:
    wanted = needs("15", "19", "36, ascending")
    merged = merge(text, derive(Session), wanted)
    assert is_kept(text.replace("null", ""), merged)
    found = parse_indexes(merged)
    assert all(map(found.serves, wanted))
    assert set(parse_indexes(text).indexes) <= set(found.indexes)
    assert merged == merge(merged, derive(Session), wanted)
    assert ("\r\n" in text) is ("\r\n" in merged)
    assert "\n" not in merged.replace("\r\n", "") or "\r\n" not in text


PRUNED = """{
  "indexes": [
    // about x
    {
      "collectionGroup": "c", "queryScope": "COLLECTION",
      "fields": [{"fieldPath": "x", "order": "ASCENDING"}, {"fieldPath": "y", "order": "ASCENDING"}]
    },
    {"collectionGroup": "c", "queryScope": "COLLECTION",
     "fields": [{"fieldPath": "s", "order": "ASCENDING"}, {"fieldPath": "c", "order": "ASCENDING"}]}, // used
    {"collectionGroup": "c", "fields": [{"fieldPath": "y", "order": "ASCENDING"}]} /* old */,
    {"collectionGroup": "c", "fields": [{"fieldPath": "z", "order": "ASCENDING"}]}
  ],
  "fieldOverrides": [{"collectionGroup": "c", "fieldPath": "u", "ttl": true, "indexes": []}]
}
"""


def test_what_no_query_uses_is_pruned() -> None:
    expected = """{
  "indexes": [
    // about x
    {"collectionGroup": "c", "queryScope": "COLLECTION",
     "fields": [{"fieldPath": "s", "order": "ASCENDING"}, {"fieldPath": "c", "order": "ASCENDING"}]} // used
    /* old */
  ],
  "fieldOverrides": [{"collectionGroup": "c", "fieldPath": "u", "ttl": true, "indexes": []}]
}
"""
    found = merge(PRUNED, None, needs("15"), prune=True)
    assert expected == found
    assert expected == merge(found, None, needs("15"), prune=True)
    # What is missing is added at once.
    both_ways = merge(PRUNED.replace("\n", "\r\n"), derive(Session), needs("15", "19"), prune=True)
    assert merge(expected.replace("\n", "\r\n"), derive(Session), needs("15", "19")) == both_ways
    assert parse_indexes(PRUNED).overrides[0] in parse_indexes(both_ways).overrides
    with pytest.raises(ValueError, match="No queries were recorded, so all indexes would be removed"):
        merge(PRUNED, derive(Session), prune=True)


@given(
    st.lists(st.sampled_from(["x y", "s c", "z", "a b c", "tags* c n"])),
    st.sampled_from([None, 0, 1, 2, "\t"]),
    st.sampled_from([["1"], ["15"], ["15", "19"]]),
)
def test_a_pruned_file_declares_what_is_used(indexes: list[str], indent: Any, rows: list[str]) -> None:
    content = {"indexes": [composite(each) for each in indexes], "fieldOverrides": [override("f")]}
    text = json.dumps(content, indent=indent)
    have, wanted = parse_indexes(text), needs(*rows)
    found = parse_indexes(merge(text, None, wanted, prune=True))
    unused = check(have, wanted).unused
    kept = [each for each in have.indexes if each not in unused]
    assert kept == list(found.indexes[: len(kept)])
    assert have.overrides == found.overrides
    assert ((), ()) == (check(found, wanted).missing, check(found, wanted).unused)


def test_what_models_declare_is_combined_with_what_queries_need() -> None:
    found = combine(derive(Session), needs("15", "36, array"))
    assert found == parse_indexes(merge('{"indexes": []}', derive(Session), needs("15", "36, array")))
    assert all(map(found.serves, needs("15", "36, array")))
    with pytest.raises(IndexConflictError, match="its model exempts it"):
        combine(derive(Exempt), [Need("sessions", "COLLECTION", frozenset({FieldPath("user")}))])


def test_times_to_live_are_added_to_overrides() -> None:
    place = '"collectionGroup": "sessions", "fieldPath": "expires"'
    automatic = derive(Session).overrides[0].indexes
    for rest in ('"indexes": []', '"indexes": [{"order": "ASCENDING", "queryScope": "COLLECTION_GROUP"}]', '"x": 1'):
        text = f'{{"indexes": [], "fieldOverrides": [{{{place}, {rest}}}]}}'
        merged = merge(text, derive(Session))
        assert is_kept(text, merged)
        before, after = parse_indexes(text).overrides[0], parse_indexes(merged).overrides[0]
        assert after.ttl
        assert after.indexes == (automatic if before.indexes is None else before.indexes)
    kept = f'{{"indexes": [], "fieldOverrides": [{{{place}, "ttl": true, "indexes": []}}]}}'
    assert True is parse_indexes(merge(kept, None, needs("15"))).overrides[0].ttl
    grown = '{"indexes": [], "fieldOverrides": [{"collectionGroup": "c", "fieldPath": "f", "ttl": true}]}'
    (found,) = parse_indexes(merge(grown, None, needs("36, array"))).overrides
    assert (True, 4) == (found.ttl, len(found.indexes or ()))
    with pytest.raises(IndexConflictError, match="ends the time to live in the field expires of 'sessions'"):
        merge(kept.replace("true", "false"), derive(Session))


def test_what_an_error_asks_for_can_be_merged() -> None:
    for query in (plan("a ==", "b"), plan("f ==", group=True), plan("f ==")):
        with pytest.raises(MissingIndexError) as caught:
            declared(override("f")).check(query)
        index = caught.value.index
        assert isinstance(index, dict)
        merged = merge(FILE, declared(index))
        assert is_kept(FILE, merged)
        parse_indexes(merged).check(query)


def test_what_a_model_exempts_is_not_needed_by_a_query() -> None:
    class Doc(Model, collection="c"):
        a: Field[str] = field(index=False)

    with pytest.raises(IndexConflictError, match=r"needs an index of the field a of 'c', and its model exempts it"):
        merge('{"indexes": []}', derive(Doc), needs("1"))
    # A composite index serves without.
    assert merge('{"indexes": []}', derive(Doc), needs("15"))
    with pytest.raises(ValueError, match="this is not JSON"):
        merge("{", derive(Doc))


@given(st.lists(st.sampled_from([row for row in ROWS if row != "28"])), st.sampled_from([None, 1, 2, "\t"]))
def test_a_merged_file_serves_all_rows(rows: list[str], indent: Any) -> None:
    text = json.dumps({"indexes": [composite("x y")], "fieldOverrides": [override("f")]}, indent=indent)
    wanted = needs(*rows)
    merged = merge(text, None, wanted)
    found = parse_indexes(merged)
    assert is_kept(text, merged)
    assert all(map(found.serves, wanted))
    assert () == check(found, wanted).missing
    assert merged == merge(merged, None, wanted)


# --- written ---

ALL = declared(
    composite("a b↓", group=True),
    composite("tags* c n"),
    composite("a emb!"),
    {**composite("n↓"), "density": "DENSE", "unique": True},
    composite("a-b c".replace("a-b", "`a-b`")),
    composite("a_b c"),
    override("f", AUTOMATIC[0], {"arrayConfig": "CONTAINS", "queryScope": "COLLECTION_GROUP"}),
    override("*"),
    override("until", *AUTOMATIC, ttl=True),
    override("kept", ttl=False),
    {"collectionGroup": "1c", "fieldPath": "x", "ttl": True},
)


def test_a_file_is_written_as_it_is_read() -> None:
    text = to_firebase(ALL)
    again = parse_indexes(text)
    assert 6 == len(ALL.indexes)
    assert set(ALL.indexes) == set(again.indexes)
    assert text == to_firebase(again)
    assert text == to_firebase(Indexes(reversed(ALL.indexes), reversed(ALL.overrides)))


def test_commands_of_gcloud() -> None:
    commands = to_gcloud(ALL, project="p", database="d")
    create = "gcloud firestore indexes composite create --collection-group=c --query-scope="
    assert (
        f"{create}collection-group --field-config=field-path=a,order=ascending "
        "--field-config=field-path=b,order=descending --project=p --database=d"
    ) in commands
    assert f"{create}collection --density=dense --unique=true --field-config=field-path=__name__,order=descending" in {
        command.partition(" --project")[0] for command in commands
    }
    (vectors,) = [shlex.split(command) for command in commands if "vector" in command]
    assert """--field-config=field-path=emb,vector-config={"dimension": "3", "flat": "{}"}""" in vectors
    plain = to_gcloud(ALL)
    assert [
        "gcloud firestore fields ttls update x --collection-group=1c --enable-ttl",
        "gcloud firestore indexes fields update '*' --collection-group=c --disable-indexes",
        "gcloud firestore indexes fields update f --collection-group=c --index=order=ascending,query-scope=collection "
        "--index=array-config=contains,query-scope=collection-group",
        "gcloud firestore indexes fields update kept --collection-group=c --disable-indexes",
        "gcloud firestore fields ttls update kept --collection-group=c --disable-ttl",
        "gcloud firestore fields ttls update until --collection-group=c --enable-ttl",
    ] == [command for command in plain if "composite" not in command]
    # A message of production with such a command is read again.
    assert composite("a emb!") == index_in(next(command for command in plain if "vector" in command))


def test_resources_of_terraform() -> None:
    text = to_terraform(ALL, project="p", database="${d}")
    assert (
        'resource "google_firestore_index" "c_a_b" {\n'
        '  project     = "p"\n'
        '  database    = "$${d}"\n'
        '  collection  = "c"\n'
        '  query_scope = "COLLECTION_GROUP"\n'
        "\n"
        "  fields {\n"
        '    field_path = "a"\n'
        '    order      = "ASCENDING"\n'
        "  }\n"
    ) in text
    assert '    field_path = "emb"\n\n    vector_config {\n      dimension = 3\n      flat {}\n    }\n' in text
    assert '"google_firestore_index" "c_a_b_c"' in text
    assert '"google_firestore_index" "c_a_b_c_2"' in text
    assert '"google_firestore_field" "index_1c_x"' in text
    assert "  index_config {}\n" in text
    assert 2 == text.count("  ttl_config {}\n")
    assert '  density     = "DENSE"\n  unique      = true\n' in text
    assert "" == to_terraform(Indexes())
    assert 'resource "google_firestore_field" "every_field"' in to_terraform(
        Indexes((), [FieldOverride("-", None, frozenset())])
    )


# --- from Datastore mode ---

YAML = """
indexes:

# AUTOGENERATED
- kind: Cat
  ancestor: no
  properties:
  - name: name
  - name: age
    direction: desc

- kind: "Cat"   # the same, for an ancestor
  ancestor: yes
  properties:
    - name: owner.name
      direction: asc
    - name: 'whiskers'
- kind: Dog
  properties:
  - name: __key__
    direction: desc
- kind: Dog
  ancestor: yes
  properties:
  - name: age
    direction: desc
- kind: Dog
  properties:
  - name: __key__
"""


def test_indexes_of_datastore_mode() -> None:
    def of(collection: str, fields: str) -> dict[str, Any]:
        return {**composite(fields), "collectionGroup": collection}

    found = from_datastore(YAML, {"Cat": "cats"})
    assert [of("cats", "name age↓"), of("cats", "owner.name whiskers"), of("Dog", "n↓")] == [
        each.to_json() for each in found.indexes
    ]
    assert Indexes() == from_datastore("indexes: []") == from_datastore("")


def test_where_properties_of_datastore_mode_lie_can_be_told() -> None:
    text = "- properties:\n  - name: owner.name\n  - name: age\n  kind: Cat"

    def whole(kind: str, name: str) -> FieldPath:
        return FieldPath(f"{kind}.{name}")

    [found] = from_datastore(text, paths=whole).indexes
    assert [FieldPath("Cat.owner.name"), FieldPath("Cat.age")] == [path for path, _ in found.parts[:2]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("indexes:\n- kind Cat", "index.yaml, line 2: this is not an index of Datastore: expected a key and a value"),
        ("kind: Cat", "index.yaml, line 1"),
        ("- kind: Cat\n  size: 5", "index.yaml, line 2: .*: size: 5 is not expected there"),
        ("- kind: Cat\n  direction: asc", "index.yaml, line 2"),
        ("- kind: Cat\n  ancestor: maybe", "index.yaml, line 2"),
        ("- kind: Cat\n  properties:\n  - name: a\n    direction: up", "index.yaml, line 4"),
        ("- kind: Cat\n  properties:\n  - name: a..b", "index.yaml, line 3"),
        ("- kind: Cat", "index.yaml: an index lacks its properties"),
        ("- properties:\n  - name: a", "index.yaml: an index lacks its kind"),
    ],
)
def test_files_of_datastore_of_another_form(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        from_datastore(text)


def test_searches_by_vector_are_merged_too() -> None:
    query = near("color >")
    assert [composite("color emb!")] == asked(query, Indexes())
    assert composite("color emb!") == json.loads(merge('{"indexes": []}', None, needs_of(query)))["indexes"][0]


# --- recordings ---


class Doc(Model, collection="c"):
    a: Field[str]


def test_recordings_are_equal_whatever_the_order() -> None:
    found = needs(*ROWS)
    text = to_recording(found)
    assert text == to_recording([*reversed(found), *found])
    assert set(found) == set(parse_recording(text))
    assert text == to_recording(parse_recording(text))
    assert () == parse_recording(to_recording(()))


def test_queries_of_few_fields_come_first_and_save_indexes() -> None:
    queries = [plan(both("a ==", "b =="), "c"), plan("a ==", "c"), plan("b ==", "c")]
    recorded = parse_recording(to_recording(need for query in queries for need in needs_of(query)))
    assert 2 == len(check(Indexes(), recorded).missing)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "my.json is not a recording of queries, as pytest --cendry-record-indexes writes it: it is not JSON"),
        pytest.param("[" * 100_000, "my.json is not a recording of queries", id="deep"),
        ("[]", "my.json is not a recording of queries, .*: it has no format 'cendry-recorded-queries'"),
        ('{"indexes": []}', "it has no format"),
        ('{"format": "cendry-recorded-queries", "version": 2}', r"by a newer version of Cendry \(format 2; this one"),
        ('{"format": "cendry-recorded-queries", "version": true, "queries": []}', "it has no version"),
        ('{"format": "cendry-recorded-queries", "version": 1}', "it has no version, or no list of queries"),
        (
            '{"format": "cendry-recorded-queries", "version": 1, "queries": [5]}',
            "my.json: query 0 is not of its form. This is not a recorded query",
        ),
    ],
)
def test_what_is_no_recording_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_recording(text, "my.json")


def test_recordings_of_other_models_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "recorded.json"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="recorded.json is not a recording of queries, .*: it is not text in UTF-8"):
        read_recording(file)
    found = needs("1", "15")
    file.write_text(to_recording(found), "utf-8-sig")
    assert set(found) == set(read_recording(str(file))) == set(read_recording(file, Doc, Session))
    with pytest.raises(ValueError, match=r"a recording of other models: its queries are on 'c', and the models on 's"):
        read_recording(file, Session)
    collections = [replace(found[0], collection=name) for name in "fedcb"]
    file.write_text(to_recording(collections))
    assert list("bdef") == other_collections(read_recording(file, Doc, Session), [Doc, Session])
    assert [] == other_collections(read_recording(file), [])
    with pytest.raises(ValueError, match="on 'b', 'c', 'd' and 2 more, and"):
        read_recording(file, Session)
    file.write_text(to_recording(()))
    assert () == read_recording(file, Session)
