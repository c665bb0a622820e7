"""When Firestore demands an index, and which; definitions of indexes, and error messages that ask for one."""

from __future__ import annotations

import json
import subprocess
import sys
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any, cast

import pytest
from cendry import MissingIndexError, Vector
from cendry.indexes import FieldOverride, Index, Indexes, Need, needs_of, parse_indexes, read_indexes
from cendry.indexes.messages import index_in
from cendry.indexes.serving import index_for
from cendry.paths import FieldPath
from cendry.plan import Aggregation, AggregationPlan, Composite, Condition, Nearest, Operator, Order, QueryPlan, Where
from cendry.reference import Ref

# --- the table of queries and indexes ---

_MARKS: dict[str, dict[str, Any]] = {"↓": {"order": "DESCENDING"}, "*": {"arrayConfig": "CONTAINS"}}


def composite(fields: str, *, group: bool = False, dimension: int = 3) -> dict[str, Any]:
    """An index as it is declared: `"tags* a c↓ n↓"`, with `n` for the name and `emb!` for vectors."""
    parts: list[dict[str, Any]] = []
    for part in fields.split():
        name = {"n": "__name__"}.get(part.rstrip("↓*!"), part.rstrip("↓*!"))
        mark = {"vectorConfig": {"dimension": dimension, "flat": {}}} if part[-1] == "!" else _MARKS.get(part[-1])
        parts.append({"fieldPath": name, **(mark or {"order": "ASCENDING"})})
    return {"collectionGroup": "c", "queryScope": "COLLECTION_GROUP" if group else "COLLECTION", "fields": parts}


AUTOMATIC = [
    {"order": "ASCENDING", "queryScope": "COLLECTION"},
    {"order": "DESCENDING", "queryScope": "COLLECTION"},
    {"arrayConfig": "CONTAINS", "queryScope": "COLLECTION"},
]


def override(field: str, *indexes: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"collectionGroup": "c", "fieldPath": field, **more, "indexes": list(indexes)}


def of_group(**mode: str) -> dict[str, Any]:
    return override("f", *AUTOMATIC, {**mode, "queryScope": "COLLECTION_GROUP"})


def cond(text: str) -> Condition:
    """`"a =="`, `"tags array-contains"`; names are compared with references."""
    name, _, operator = text.partition(" ")
    op = cast("Operator", operator)
    value: Any = Ref.from_path("c/x") if name == "n" else 1
    path = FieldPath("__name__" if name == "n" else name)
    return Condition(path, op, [value] if op in ("in", "not-in", "array-contains-any") else value)


def both(*conditions: str | Where) -> Where:
    return Composite("AND", tuple(cond(each) if isinstance(each, str) else each for each in conditions))


def either(*conditions: str | Where) -> Where:
    return Composite("OR", tuple(cond(each) if isinstance(each, str) else each for each in conditions))


def plan(where: str | Where | None = None, orders: str = "", **more: Any) -> QueryPlan:
    order = tuple(
        Order(FieldPath("__name__" if each.rstrip("↓") == "n" else each.rstrip("↓")), each.endswith("↓"))
        for each in orders.split()
    )
    return QueryPlan("c", where=cond(where) if isinstance(where, str) else where, orders=order, **more)


def sums(query: QueryPlan, *figures: str) -> AggregationPlan:
    found = []
    for figure in figures:
        function, _, name = figure.partition(" ")
        found.append(Aggregation(function, FieldPath(name) if name else None))  # type: ignore[arg-type]
    return AggregationPlan(query, tuple(found))


def near(where: Where | str | None = None, **more: Any) -> QueryPlan:
    return plan(where, nearest=Nearest(FieldPath("emb"), Vector([1.0, 2.0, 3.0]), 5, "cosine"), **more)


ROWS: dict[str, tuple[QueryPlan | AggregationPlan, list[dict[str, Any]], list[dict[str, Any]]]] = {
    "1": (plan("a =="), [], []),
    "2": (plan(both("a ==", "b ==", "s ==")), [], []),
    "3": (plan(both("a in", "b ==")), [], []),
    "4": (plan(both("a in", "b in")), [], []),
    "5": (plan(both("tags array-contains", "a ==")), [], []),
    "6": (plan(both("a in", "b array-contains-any")), [], []),
    "7": (plan("c >", "c↓"), [], []),
    "8": (plan("a !="), [], []),
    "8, not-in": (plan("a not-in"), [], []),
    "9": (plan("a ==", "a"), [], []),
    "11": (plan(both("a ==", "n >")), [], []),
    "12": (plan(None, "n↓"), [], [composite("n↓")]),
    "12, range": (plan("n >", "n↓"), [], [composite("n↓")]),
    "13": (plan(None, "c n↓"), [], [composite("c n↓")]),
    "14": (plan("a ==", "b↓"), [composite("a b")], [composite("a b↓ n↓")]),
    "15": (plan(both("s ==", "c >")), [], [composite("s c n")]),
    "16": (plan(both("a ==", "b =="), "c"), [composite("a c"), composite("b c")], []),
    "18": (plan(None, "b a"), [composite("a b")], [composite("b a n")]),
    "19": (plan("tags array-contains", "c"), [], [composite("tags* c n")]),
    "20": (plan(both("t ==", "a !=", "b <")), [], [composite("t a b n")]),
    "22": (plan(both("t ==", "key >=", "sort <="), "v↓"), [], [composite("t v↓ key↓ sort↓ n↓")]),
    "23": (plan(both("t ==", "v array-contains", "key !=", "sort >=")), [], [composite("v* t key sort n")]),
    "25": (plan("v ==", "s"), [composite("v s d")], [composite("v s n")]),
    "26": (plan(either("a ==", "b ==")), [], []),
    "27": (plan(both("t ==", either("a >", "b =="))), [], [composite("t a n"), composite("b t a n")]),
    "28": (plan(both("t ==", either("a ==", "b ==")), "a↓"), [], [composite("b t a↓ n↓")]),
    "29": (plan("n in", "d↓ n"), [], [composite("d↓ n")]),
    "30": (sums(plan("p >"), "sum p"), [], []),
    "31": (sums(plan(), "sum d", "avg m"), [], [composite("d m n")]),
    "32": (sums(plan("a =="), "sum d"), [], [composite("a d n")]),
    "35": (sums(plan("s ==", "d"), "count"), [], [composite("s d n")]),
    "36, ascending": (plan("f ==", group=True), [], [of_group(order="ASCENDING")]),
    "36, descending": (plan(None, "f↓", group=True), [], [of_group(order="DESCENDING")]),
    "36, array": (plan("f array-contains", group=True), [], [of_group(arrayConfig="CONTAINS")]),
    "37": (plan(both("make ==", "model =="), group=True), [], [composite("make model n", group=True)]),
    "38": (plan("a ==", "b", group=True), [composite("a b")], [composite("a b n", group=True)]),
    "39": (plan("a ==", "b"), [composite("a b", group=True)], []),
    "41, equality": (plan("f =="), [override("f")], [override("f", AUTOMATIC[0])]),
    "41, order": (plan(None, "f"), [override("f")], [override("f", AUTOMATIC[0])]),
    "42": (near("color >"), [composite("color emb!")], []),
    "42, without": (near("color >"), [], [composite("color emb!")]),
    "44": (near(group=True), [], [composite("emb!", group=True)]),
}
"""The query, what there is, and what production asks for."""


def declared(*definitions: dict[str, Any]) -> Indexes:
    return read_indexes(
        {
            "indexes": [each for each in definitions if "fields" in each],
            "fieldOverrides": [each for each in definitions if "fields" not in each],
        }
    )


def asked(query: QueryPlan | AggregationPlan, indexes: Indexes) -> list[dict[str, Any]]:
    aggregation = query if isinstance(query, AggregationPlan) else None
    needs = needs_of(query.query if isinstance(query, AggregationPlan) else query, aggregation)
    found = [indexes.to_add(need) for need in needs if not indexes.serves(need)]
    return [each.to_json(whole=True) if isinstance(each, Index) else each.to_json() for each in found]


@pytest.mark.parametrize("row", ROWS)
def test_what_queries_ask_for(row: str) -> None:
    query, have, expected = ROWS[row]
    assert expected == asked(query, declared(*have))
    assert [] == asked(query, declared(*have, *expected))


@pytest.mark.parametrize("row", ROWS)
def test_needs_are_recorded_and_read_again(row: str) -> None:
    query = ROWS[row][0]
    needs = needs_of(query.query, query) if isinstance(query, AggregationPlan) else needs_of(query)
    assert needs
    assert list(needs) == [Need.from_json(json.loads(json.dumps(need.to_json()))) for need in needs]


def test_uncertain_queries_are_not_refused() -> None:
    none = Indexes()
    query = plan(both("t ==", either("a ==", "b ==")), "a↓")
    assert [True] == [need.is_uncertain for need in needs_of(query)]
    assert [] == none.missing(query)
    none.check(query)
    assert () == needs_of(plan(both("a ==", "a >")))
    for query in (plan(both("a ==", "b =="), "n↓"), plan("tags array-contains", "n↓")):
        assert [] == none.missing(query)
    # A search by vector sorts by distance.
    assert 1 == len(none.missing(near(both("a ==", "b =="))))


def test_a_query_of_too_many_disjuncts_needs_nothing() -> None:
    many = both(*(either(f"a{n} ==", f"b{n} ==") for n in range(64)), "c >")
    assert () == needs_of(plan(many, "d"))
    assert 30 == len(needs_of(plan(either(*(f"a{n} ==" for n in range(30))), "d")))
    assert () == needs_of(plan(either(*(f"a{n} ==" for n in range(31))), "d"))


def test_a_refusal_has_the_indexes() -> None:
    with pytest.raises(MissingIndexError) as caught:
        Indexes().check(plan("a ==", "b"))
    assert composite("a b n") == caught.value.index
    with pytest.raises(MissingIndexError) as caught:
        Indexes().check(plan(both("t ==", either("a >", "b =="))))
    assert [composite("t a n"), composite("b t a n")] == caught.value.index
    assert "needs an index that does not exist: 2, of which the first is a composite one." in str(caught.value)
    assert "The others are in .index." in str(caught.value)


def test_what_a_query_needs_besides_what_there_is_in_any_database() -> None:
    assert composite("a b n") == index_for(plan("a ==", "b"))
    assert [composite("t a n"), composite("b t a n")] == index_for(plan(both("t ==", either("a >", "b =="))))
    assert composite("a d n") == index_for(plan("a =="), sums(plan("a =="), "sum d"))
    assert index_for(plan("a ==")) is None


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        5,
        [],
        {},
        {"tail": []},
        {"tail": [["a", "ASCENDING"]]},
        {"tail": [["__name__", "UP"]]},
        {"equal": ["a..b"]},
        {"equal": [5]},
        {"queryScope": "X"},
        {"vector": ["a", 0]},
        {"collectionGroup": ""},
    ],
    ids=str,
)
def test_what_is_no_recorded_need(wrong: Any) -> None:
    (need,) = needs_of(plan("a ==", "b"))
    recorded = {**need.to_json(), **wrong} if isinstance(wrong, dict) and wrong else wrong
    with pytest.raises(ValueError, match="This is not a recorded query"):
        Need.from_json(recorded)


# --- definitions ---


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (composite("a b"), composite("a b n")),
        (composite("a b↓"), composite("a b↓ n↓")),
        (composite("b tags*"), composite("b tags* n")),
        (composite("a emb!"), composite("a n emb!")),
        (composite("a b"), {**composite("a b"), "apiScope": "ANY_API", "density": "SPARSE_ALL", "multikey": False}),
        (composite("a `12`"), composite("a `12` n")),
    ],
    ids=str,
)
def test_spellings_of_one_index_are_equal(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert Index.from_json(one) == Index.from_json(other)
    assert declared(one) == declared(other)
    assert hash(declared(one)) == hash(declared(other))
    assert Index.from_json(one).to_json() == Index.from_json(other).to_json()


@pytest.mark.parametrize(
    ("index", "written"),
    [
        ("a b n", "a b"),
        ("a b↓ n↓", "a b↓"),
        ("a b↓ n", "a b↓ n"),
        ("a tags* n", "a tags* n"),
        ("a tags*", "a tags* n"),
        ("n↓", "n↓"),
        ("a n emb!", "a emb!"),
    ],
)
def test_the_name_is_written_where_the_last_field_does_not_say_it(index: str, written: str) -> None:
    assert composite(written) == Index.from_json(composite(index)).to_json()


def test_settings_are_kept_and_distinguish() -> None:
    given = {**composite("a b"), "density": "DENSE", "apiScope": "DATASTORE_MODE_API"}
    index = Index.from_json(given)
    assert given == index.to_json()
    assert index != Index.from_json(composite("a b"))


@pytest.mark.parametrize(
    "definition",
    [
        override("f"),
        override("f", *AUTOMATIC, ttl=True),
        override("*", AUTOMATIC[2]),
        override("a.`b.c`", {"arrayConfig": "CONTAINS", "queryScope": "COLLECTION_GROUP"}),
        override("f", AUTOMATIC[0], ttl=False),
    ],
    ids=str,
)
def test_overrides_are_written_as_they_were_read(definition: dict[str, Any]) -> None:
    assert definition == FieldOverride.from_json(definition).to_json()


def test_an_override_for_a_time_to_live_alone_is_written_with_the_automatic_indexes() -> None:
    found = FieldOverride.from_json({"collectionGroup": "c", "fieldPath": "f", "ttl": True})
    assert None is found.indexes
    assert override("f", *AUTOMATIC, ttl=True) == found.to_json()


FILE = r"""
// Exported by hand.
{
  "indexes": [
    /* an older spelling: {"collectionId": "x"} */
    {"collectionId": "c", "fields": [
      {"fieldPath": "a", "mode": "ASCENDING"}, {"fieldPath": "t", "mode": "ARRAY_CONTAINS"}]},
    {"collectionGroup": "http://c\"//x", "queryScope": "COLLECTION_GROUP", "fields": [
      {"fieldPath": "`12`", "order": "DESCENDING"}, {"fieldPath": "b.c", "order": "ASCENDING"} // a comment
    ]}
  ],
  "fieldOverrides": null
}
"""


def test_files_are_read_as_the_cli_reads_them(tmp_path: Path) -> None:
    file = tmp_path / "firestore.indexes.json"
    file.write_bytes(b"\xef\xbb\xbf" + FILE.replace("\n", "\r\n").encode())
    first, second = read_indexes(file).indexes
    assert composite("a t* n") == first.to_json()
    assert ('http://c"//x', "COLLECTION_GROUP") == (second.collection, second.scope)
    assert [("`12`", "DESCENDING"), ("b.c", "ASCENDING"), ("__name__", "ASCENDING")] == [
        (str(path), mode) for path, mode in second.parts
    ]
    assert read_indexes(str(file)) == parse_indexes(FILE)
    assert Indexes() == parse_indexes('{"indexes": []}') == read_indexes({"indexes": []})
    assert Indexes() != 5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "my.json, line 1: this is not JSON"),
        ("{\n\n  nonsense}", "my.json, line 3: this is not JSON"),
        pytest.param("[" * 100_000, "my.json: this is not JSON: RecursionError", id="deep"),
        ("[]", "'my.json' does not hold a JSON object"),
        ("{}", r"The declared indexes \(my.json\) have no list named 'indexes'"),
        ('{\n"indexes": {}}', r"The declared indexes \(my.json, line 2\) have no list named 'indexes'"),
        ('{"indexes": [],\n"fieldOverrides": 5}', r"\(my.json, line 2\) have no list named 'fieldOverrides'"),
        ('{"indexes": [\n5]}', r"Index 0 of the declared indexes \(my.json, line 2\) is not of its form"),
        (
            '{"indexes": [],\n"fieldOverrides": [{"collectionGroup": "c",\n "fieldPath": "", "indexes": []}]}',
            r"Field override 0 of the declared indexes \(my.json, line 2\) is not of its form: fieldPath is text",
        ),
    ],
)
def test_errors_name_the_file_and_the_line(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_indexes(text, "my.json")


def test_a_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    file = tmp_path / "my.json"
    # As PowerShell redirects output.
    file.write_text('{"indexes": []}', "utf-16")
    with pytest.raises(ValueError, match=r"my\.json is not text in UTF-8\.$"):
        read_indexes(file)


def but(fields: Any = None, **more: Any) -> dict[str, Any]:
    return {**composite("a b"), **({} if fields is None else {"fields": fields}), **more}


VECTOR = {"fieldPath": "v", "vectorConfig": {"dimension": 3, "flat": {}}}
A = {"fieldPath": "a", "order": "ASCENDING"}


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        (but([]), "it has no fields"),
        (but({}), "fields is a list of objects"),
        (but([5]), "fields is a list of objects"),
        (but([{"fieldPath": "a"}]), "a field has one of order"),
        (but([{"fieldPath": "a", "order": "UP"}]), "a field has one of order"),
        (but([{"fieldPath": "a", "order": "CONTAINS"}]), "a field has one of order"),
        (but([{"fieldPath": "a", "arrayConfig": "ASCENDING"}]), "a field has one of order"),
        (but([{"fieldPath": "a..b", "order": "ASCENDING"}]), "'a..b' is not a field path"),
        (but([{"fieldPath": 5, "order": "ASCENDING"}]), "fieldPath is text, not 5"),
        (but([VECTOR, VECTOR]), "it has two vectors"),
        (but([VECTOR, A]), "the vector is not its last field"),
        (but([{"fieldPath": "v", "vectorConfig": {"dimension": "x"}}]), "the dimension of a vectorConfig is a number"),
        (but([{"fieldPath": "v", "vectorConfig": None}]), "the dimension of a vectorConfig is a number"),
        (but([{"fieldPath": "v", "vectorConfig": {"dimension": 0}}]), "the dimension of a vectorConfig is a number"),
        (but(queryScope="X"), "queryScope is one of COLLECTION, COLLECTION_GROUP, not 'X'"),
        (but(collectionGroup=None), "collectionGroup is text"),
        (override("f", ttl="yes"), "ttl is true or false"),
        (override("f", {"order": "UP"}), "a field has one of order"),
        ({"collectionGroup": "c", "fieldPath": "f", "indexes": {}}, "indexes is a list of objects"),
    ],
    ids=str,
)
def test_definitions_of_another_form(definition: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        declared(definition)


@pytest.mark.parametrize(
    ("definitions", "warning"),
    [
        ([composite("a b"), composite("a b n")], "An index is declared twice"),
        ([composite("a* b*")], "two array fields"),
        ([composite("a b a")], "An index has a field twice"),
        ([composite(" ".join(f"f{n}" for n in range(100)))], "101 fields, and the limit is 100"),
        ([composite(f"a f{n}") for n in range(201)], "There are 201 composite indexes, and the limit is 200"),
        ([override("a", ttl=True), override("b", ttl=True)], "times to live in two fields, a and b"),
        ([override("a"), override("a")], "The field a of 'c' has two overrides"),
        ([composite("a↓")], "Firestore refuses composite indexes of a single field"),
        ([composite("tags*", group=True)], "Firestore refuses composite indexes of a single field"),
        ([composite("a emb!", dimension=2049)], "has vectors of 2049 dimensions, and the limit is 2048"),
        (
            [{"collectionGroup": "c", "fieldPath": "f", "ttl": True}],
            "The override of the field f of 'c' has no indexes, which the Firebase CLI requires",
        ),
        ([override("*"), override("*")], r"The field \* of 'c' has two overrides"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_is_surely_wrong_is_told(definitions: list[dict[str, Any]], warning: str) -> None:
    (found,) = declared(*definitions).warnings
    with pytest.raises(AssertionError, match=warning):
        raise AssertionError(found)
    fine = [*map(composite, ("a b", "a n↓", "n↓", "emb!")), override("a", ttl=True), override("b")]
    assert () == declared(*fine, override("__name__", AUTOMATIC[0])).warnings


def test_indexes_show_what_they_hold() -> None:
    indexes = declared(composite("a b"))
    assert f"Indexes([{indexes.indexes[0]!r}], [])" == repr(indexes)


# --- messages of production ---


def varint(value: int) -> bytes:
    return bytes([value]) if value < 128 else bytes([value & 127 | 128]) + varint(value >> 7)


def field(number: int, value: int | bytes | str) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    raw = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(raw)) + raw


def link(*fields: bytes, scope: int = 1, collection: str = "c") -> str:
    name = f"projects/my-project/databases/(default)/collectionGroups/{collection}/indexes/_"
    # With a state, which says nothing.
    message = field(1, name) + field(2, scope) + b"".join(field(3, each) for each in fields) + field(4, 1)
    encoded = urlsafe_b64encode(message).decode().rstrip("=")
    url = f"https://console.firebase.google.com/v1/r/project/my-project/firestore/indexes?create_composite={encoded}"
    return f"The query requires an index. You can create it here: {url}"


ASC, DESC, CONTAINS = field(2, 1), field(2, 2), field(3, 1)
COMMAND = (
    "Missing vector index configuration. Please create the required index with the following gcloud command: "
    "gcloud firestore indexes composite create --project=my-project --collection-group=c --query-scope=COLLECTION"
)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (link(field(1, "a") + ASC, field(1, "b") + DESC, field(1, "__name__") + DESC), composite("a b↓ n↓")),
        (link(field(1, "tags") + CONTAINS, field(1, "c") + ASC, field(1, "__name__") + ASC), composite("tags* c n")),
        (link(field(1, "a.`b-c`") + ASC, field(1, "d") + ASC), composite("a.`b-c` d n")),
        (link(field(1, "make") + ASC, field(1, "model") + ASC, scope=2), composite("make model n", group=True)),
        (link(field(1, "a") + ASC, field(1, "emb") + field(4, field(1, 768))), composite("a emb!", dimension=768)),
        (
            "The query requires a COLLECTION_GROUP_ASC index for collection c and field f. You can create it here: x",
            of_group(order="ASCENDING"),
        ),
        (
            "The query requires a COLLECTION_GROUP_CONTAINS index for collection c and field f.",
            of_group(arrayConfig="CONTAINS"),
        ),
        ("The query requires a COLLECTION_DESC index for collection c and field f.", override("f", *AUTOMATIC)),
        (
            COMMAND
            + " --field-config=order=ASCENDING,field-path=color --field-config=array-config=CONTAINS,field-path=t"
            """ --field-config=vector-config='{"dimension":"3","flat": "{}"}',field-path=emb""",
            composite("color t* emb!"),
        ),
        (
            COMMAND.replace("COLLECTION", "collection-group")
            + """ --field-config=field-path=emb,vector-config='{"dimension":"3","flat": "{}"}'""",
            composite("emb!", group=True),
        ),
        (COMMAND + " --field-config=order=descending,field-path=a", composite("a↓ n↓")),
        (
            "no matching index found. recommended index is:\n- kind: c\n  properties:\n  - name: a\n  - name: b.d\n"
            "    direction: desc\n",
            composite("a b.d↓ n↓"),
        ),
        (
            "400 no matching index found. recommended index is:\n- kind: c\n  ancestor: yes\n  properties:\n"
            "  - name: __key__\n    direction: desc",
            composite("n↓"),
        ),
    ],
    ids=lambda value: str(value)[:60],
)
def test_messages_that_say_which_index(message: str, expected: Any) -> None:
    assert expected == index_in(message)


@pytest.mark.parametrize(
    "message",
    [
        "",
        "The query requires an index.",
        "The query requires an index. You can create it here: https://x?create_composite=",
        "The query requires an index. You can create it here: https://x?create_composite=!!!!",
        "The query requires an index. You can create it here: https://x?create_composite=abc",
        "no matching index found.",
        "no matching index found. recommended index is:\n- kind: c\n  properties:\n  - name: a\n",
        "no matching index found. recommended index is:\n- kind: c\n  size: 5",
        link(),
        link(field(1, "a") + ASC, scope=9),
        link(field(1, "a") + field(2, 9)),
        link(field(1, "a")),
        link(field(1, b"\xff") + ASC),
        link(b"\x0d"),
        link(b"\x0a\x7f"),
        link(b"\xff"),
        "The query requires a COLLECTION_ASC index for collection c and field a..b.",
        COMMAND,
        COMMAND + " --field-config=order=UP,field-path=a",
        COMMAND + " --field-config=field-path=a",
        COMMAND + " --field-config='",
        COMMAND.replace("--collection-group=c", "") + " --field-config=order=ASCENDING,field-path=a",
    ],
    ids=lambda value: str(value)[-60:],
)
def test_messages_that_do_not(message: str) -> None:
    assert index_in(message) is None


def test_the_rules_need_neither_contexts_nor_models() -> None:
    code = "import sys, cendry.indexes; print([n for n in sys.modules if n.startswith(('cendry._context', 'google'))])"
    environment = {"PYTHONPATH": ":".join(sys.path)}
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert "[]" == found.stdout.strip()
