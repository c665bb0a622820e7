"""Exclusions from indexes, meanings and keys of embedded entities stay with what they belong to, with nothing else."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from cendry import Cendry, Field, FieldPath, Map, Model, default_registry, field
from cendry._query.results import reader
from cendry.codec import codec_for, message
from cendry.plan import GetPlan, QueryPlan, Set, Update
from cendry_datastore import _sdk
from cendry_datastore._commit import by_entity, commit_request
from cendry_datastore._dialect import DATASTORE
from cendry_datastore._entities import FoundEntity
from cendry_datastore._exclusions import MAX_INDEXED_VALUES
from cendry_datastore._keys import Partition, fill_key
from cendry_datastore._marks import EXCLUDED, UNMARKED, MarksFinder, kinds_of_marks, marks_in
from cendry_memory.testing import Database
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

LONG = "é" * 751
PARTITION = Partition("project", "", "")


class Address(Map):
    street: Field[str] = field(default="")
    note: Field[str] = field(default="")


class Doc(Model, collection="Doc"):
    text: Field[str | None] = field(default=None)
    blob: Field[bytes | None] = field(default=None)
    tags: Field[list[str]] = field(default_factory=list)
    blobs: Field[list[bytes]] = field(default_factory=list)
    home: Field[Address | None] = field(default=None)
    others: Field[list[Address]] = field(default_factory=list)
    free: Field[dict[str, Any]] = field(default_factory=dict)
    any: Field[Any] = field(default=None)


class Kept(Model, collection="Doc", extra="keep"):
    text: Field[str | None] = field(default=None)
    blob: Field[bytes | None] = field(default=None)
    tags: Field[list[str]] = field(default_factory=list)
    blobs: Field[list[bytes]] = field(default_factory=list)
    home: Field[Address | None] = field(default=None)
    others: Field[list[Address]] = field(default_factory=list)
    free: Field[dict[str, Any]] = field(default_factory=dict)


def value(content: Any, *, out: bool = False, meaning: int = 0, key: str | int | None = None, **inner: Any) -> Any:
    """A value message: of text, bytes, a number, a list of messages, or an embedded entity of `inner`."""
    made = _sdk.Value(exclude_from_indexes=out, meaning=meaning)
    match content:
        case str():
            made.string_value = content
        case bytes():
            made.blob_value = content
        case int():
            made.integer_value = content
        case list():
            made.array_value.values.extend(content)
        case _:
            made.entity_value.SetInParent()
            for name, one in inner.items():
                made.entity_value.properties[name].CopyFrom(one)
            if key is not None:
                fill_key(made.entity_value.key, f"Inner/{key}" if isinstance(key, str) else f"Inner/__id{key}__", OWN)
    return made


OWN = Partition("project", "", "")


def embedded(*, out: bool = False, meaning: int = 0, key: str | int | None = None, **inner: Any) -> Any:
    """An embedded entity."""
    return value(None, out=out, meaning=meaning, key=key, **inner)


EMPTY = value("")


class Store:
    """Entities as messages, on an emulator."""

    def __init__(self, sdk: Any) -> None:
        self.sdk = sdk
        self.partition = Partition(sdk.project, "", "")

    def put(self, **properties: Any) -> None:
        """Store an entity."""
        entity = _sdk.Entity()
        fill_key(entity.key, "Doc/a", self.partition)
        for name, one in properties.items():
            _rehome(one, self.sdk.project)
            entity.properties[name].CopyFrom(one)
        request = _sdk.CommitRequest(project_id=self.sdk.project, mode="NON_TRANSACTIONAL")
        request.mutations.add().upsert.CopyFrom(entity)
        self.sdk._datastore_api.commit(request=_sdk.wrapped(request))

    def get(self) -> dict[str, Any]:
        """What is stored."""
        request = _sdk.LookupRequest(project_id=self.sdk.project)
        fill_key(request.keys.add(), "Doc/a", self.partition)
        [found] = self.sdk._datastore_api.lookup(request=_sdk.wrapped(request))._pb.found
        return dict(found.entity.properties)


def _rehome(one: Any, project: str) -> None:
    """Keys are of the project of the test."""
    if one.HasField("key_value"):
        one.key_value.partition_id.project_id = project
    for element in one.array_value.values:
        _rehome(element, project)
    if one.HasField("entity_value"):
        if one.entity_value.HasField("key"):
            one.entity_value.key.partition_id.project_id = project
        for inner in one.entity_value.properties.values():
            _rehome(inner, project)


@pytest.fixture
def store(sdk: Any) -> Store:
    """The entities of this test."""
    return Store(sdk)


def out(values: Any) -> list[bool]:
    """Which elements of an array are excluded from indexes."""
    return [one.exclude_from_indexes for one in values.array_value.values]


def marked(values: Any) -> list[tuple[str, bool]]:
    """The elements of an array, each with whether it is excluded from indexes.

    They are sorted, as the classic emulator puts those that are excluded last.
    """
    return sorted((one.string_value, one.exclude_from_indexes) for one in values.array_value.values)


# --- what says nothing about the property ---


@pytest.mark.parametrize("model", [Doc, Kept])
@pytest.mark.parametrize("short", ["short", ""])
def test_what_was_too_long_and_is_short_again_is_indexed(
    ctx: Cendry, store: Store, model: type[Doc], short: str
) -> None:
    ctx.save(model(id="a", text=LONG, blob=b"x" * 1501, home=Address(note=LONG), free={"k": LONG}))
    found = ctx.get(model, "a")
    found.text, found.blob, found.home, found.free = short, b"", Address(note=short), {"k": short}
    ctx.save(found)
    assert not kinds_of_marks(_entity(store.get()))
    assert ["a"] == ctx.select(model, model.text == short).ids()


def _entity(properties: dict[str, Any]) -> Any:
    entity = _sdk.Entity()
    for name, one in properties.items():
        entity.properties[name].CopyFrom(one)
    return entity


@pytest.mark.parametrize("way", ["save", "keep", "update", "nested update"])
def test_a_list_that_had_a_long_element_keeps_its_indexes(ctx: Cendry, store: Store, way: str) -> None:
    ctx.save(Doc(id="a", tags=["x", LONG, "y"], others=[Address(note=LONG), Address(note="n")]))
    assert [("x", False), ("y", False), (LONG, True)] == marked(store.get()["tags"])
    if way == "update":
        ctx.update(Doc, "a", {Doc.tags: ["x", "y", "z"], Doc.others: [Address(note="m")]})
    else:
        model: Any = Kept if way == "keep" else Doc
        doc = ctx.get(model, "a")
        doc.tags, doc.others = ["x", "y", "z"], [Address(note="m")]
        ctx.save(doc)
    assert not kinds_of_marks(_entity(store.get()))
    assert ["a"] == ctx.select(Doc, Doc.tags.array_contains("z")).ids()


def test_what_is_updated_to_a_short_value_is_indexed(ctx: Cendry, store: Store) -> None:
    ctx.save(Doc(id="a", text=LONG, home=Address(note=LONG), free={"k": [LONG]}))
    ctx.update(Doc, "a", {Doc.text: "x", "home.note": "y", Doc.free["k"]: ["z"]})
    assert not kinds_of_marks(_entity(store.get()))


@pytest.mark.slow
@pytest.mark.parametrize("way", ["save", "update", "nested update"])
def test_what_was_too_much_for_indexes_and_is_less_again_is_indexed(ctx: Cendry, store: Store, way: str) -> None:
    many = [str(number) for number in range(MAX_INDEXED_VALUES + 1)]
    ctx.save(Doc(id="a", tags=many, free={"k": "v"}, text="x"))
    assert all(out(store.get()["tags"]))
    doc = ctx.get(Doc, "a")
    if way == "save":
        doc.tags = ["x"]
        ctx.save(doc)
    elif way == "update":
        ctx.update(Doc, "a", {Doc.tags: ["x"]})
    else:
        ctx.update(Doc, "a", {Doc.free: {"k": many}, Doc.tags: []})
        ctx.update(Doc, "a", {Doc.free["k"]: ["x"]})
    assert not kinds_of_marks(_entity(store.get()))


def test_what_was_excluded_on_purpose_among_too_much_stays(ctx: Cendry, store: Store) -> None:
    few = value([value(text, out=True) for text in "abcd"])
    store.put(free=embedded(many=value([value(1, out=True) for _ in range(MAX_INDEXED_VALUES)])), tags=few)
    doc = ctx.get(Doc, "a")
    doc.free = {"many": [1]}
    ctx.save(doc)
    stored = store.get()
    assert ([True] * 4, [False]) == (out(stored["tags"]), out(stored["free"].entity_value.properties["many"]))


# --- what was excluded on purpose ---


@pytest.mark.parametrize("model", [Doc, Kept])
def test_what_was_excluded_on_purpose_stays_out(ctx: Cendry, store: Store, model: type[Doc]) -> None:
    store.put(
        text=value("short", out=True),
        tags=value([value("x", out=True), value(LONG, out=True), value("y", out=True)]),
        home=embedded(street=value("s"), note=value("n", out=True)),
        free=embedded(k=value("v"), out=True),
    )
    doc = ctx.get(model, "a")
    doc.text, doc.tags, doc.home, doc.free = "new", ["z", "x", "w"], Address(street="t", note="m"), {"l": 1}
    ctx.save(doc)
    stored = store.get()
    assert stored["text"].exclude_from_indexes
    assert [True, True, True] == out(stored["tags"])
    assert {"street": False, "note": True} == {
        name: one.exclude_from_indexes for name, one in stored["home"].entity_value.properties.items()
    }
    assert stored["free"].exclude_from_indexes
    ctx.update(model, "a", {model.text: LONG, model.tags: ["u"], "home.note": "o", model.free: {}})
    ctx.update(model, "a", {model.text: "", FieldPath("free", "x"): 1})
    stored = store.get()
    assert [True] == out(stored["tags"])
    assert stored["free"].exclude_from_indexes
    # The value before was long, and that doesn't say what was meant.
    assert not stored["text"].exclude_from_indexes


def test_a_map_in_place_of_an_excluded_value_is_excluded(ctx: Cendry, store: Store) -> None:
    store.put(any=value("x", out=True), text=value("y"))
    ctx.update(Doc, "a", {FieldPath("any", "k"): 1, FieldPath("text", "k"): 1})
    assert [True, False] == [store.get()[name].exclude_from_indexes for name in ("any", "text")]


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (["a", "b", "c"], [True, False, False]),
        (["new", "a", "b", "c"], [False, True, False, False]),
        (["c", "a"], [False, True]),
        (["b"], [False]),
        (["a", "a"], [True, False]),
        (["b", "b", "b", "b"], [False] * 4),
        (["new", "b", "c"], [False] * 3),
        ([], []),
    ],
)
@pytest.mark.parametrize("way", ["save", "keep", "update"])
def test_one_excluded_element_excludes_no_other(
    ctx: Cendry, store: Store, after: list[str], expected: list[bool], way: str
) -> None:
    store.put(tags=value([value("a", out=True), value("b"), value("c")]))
    if way == "update":
        ctx.update(Doc, "a", {Doc.tags: after})
    else:
        model: Any = Doc if way == "save" else Kept
        doc = ctx.get(model, "a")
        doc.tags = after
        ctx.save(doc)
    assert sorted(zip(after, expected, strict=True)) == marked(store.get()["tags"])


def test_marks_in_maps_in_arrays(ctx: Cendry, store: Store) -> None:
    store.put(
        others=value(
            [
                embedded(street=value("1"), note=value("n", out=True), key="one"),
                embedded(street=value("2"), note=value("n"), key=2),
                embedded(street=value("3"), note=value(LONG, out=True)),
            ]
        )
    )
    before = store.get()["others"]
    doc = ctx.get(Doc, "a")
    ctx.save(doc)
    assert before == store.get()["others"]
    first, second, third = doc.others
    # Changed where they are, they keep what they have.
    first.note, second.note, third.note = "m", "o", "short"
    ctx.save(doc)
    assert [(True, "one", 0), (False, "", 2), (False, "", 0)] == [_notes(one) for one in _elements(store)]
    doc.others = [Address(street="0"), second, first]
    ctx.save(doc)
    assert 3 == len(_elements(store))
    again = ctx.get(Doc, "a")
    again.others = again.others[1:]
    expected = [_notes(one) for one in _elements(store)][1:]
    ctx.save(again)
    assert expected == [_notes(one) for one in _elements(store)]


def _elements(store: Store) -> list[Any]:
    return list(store.get()["others"].array_value.values)


def _notes(element: Any) -> tuple[bool, str, int]:
    entity = element.entity_value
    key = entity.key.path[0] if entity.HasField("key") else _sdk.Key().path.add()
    return entity.properties["note"].exclude_from_indexes, key.name, key.id


def test_what_all_elements_exclude_new_ones_exclude_too(ctx: Cendry, store: Store) -> None:
    store.put(
        others=value(
            [embedded(street=value("1"), note=value(note, out=True), key=note[0]) for note in ("a", LONG, "b")]
        )
    )
    doc = ctx.get(Doc, "a")
    doc.others.insert(0, Address(street="0", note="new"))
    doc.others.append(Address(street="9", note="newer"))
    ctx.save(doc)
    found = [_notes(one) for one in _elements(store)]
    assert [(True, ""), (True, "a"), (True, LONG[0]), (True, "b"), (True, "")] == [one[:2] for one in found]


# --- meanings and keys ---


@pytest.mark.parametrize("model", [Doc, Kept])
@pytest.mark.parametrize("way", ["as it is", "copied", "pickled", "found by a query", "saved twice", "in a batch"])
def test_meanings_and_keys_stay_with_what_is_unchanged(ctx: Cendry, store: Store, model: type[Doc], way: str) -> None:
    store.put(
        text=value("long text", out=True, meaning=15),
        blob=value(b"packed", out=True, meaning=22),
        blobs=value([value(b"1", meaning=22, out=True), value(b"2", out=True), value(b"3", meaning=22, out=True)]),
        home=embedded(street=value("s"), note=value("n", out=True, meaning=15), key="home"),
        others=value([embedded(street=value("1"), note=value("n"), key=7), embedded(street=value("2"), note=EMPTY)]),
        free=embedded(deep=embedded(n=value(b"z", out=True, meaning=22), key="deep")),
        tags=value([]),
        any=value("any", out=True, meaning=17),
    )
    before = store.get()
    [doc] = ctx.select(model) if way == "found by a query" else [ctx.get(model, "a")]
    if way == "copied":
        doc = copy.deepcopy(doc)
    elif way == "pickled":
        doc = pickle.loads(pickle.dumps(doc))
    elif way == "saved twice":
        ctx.save(doc)
    if way == "in a batch":
        with ctx.batch() as batch:
            batch.save(doc)
            batch.update(doc, {model.text: "long text"})
    else:
        ctx.save(doc)
    assert before == store.get()


@pytest.mark.parametrize("model", [Doc, Kept])
def test_a_changed_value_loses_its_meaning_and_keeps_its_key(ctx: Cendry, store: Store, model: type[Doc]) -> None:
    store.put(
        blob=value(b"packed", out=True, meaning=22),
        blobs=value([value(b"1", meaning=22, out=True), value(b"2", meaning=22, out=True)]),
        home=embedded(street=value("s"), note=value("n"), key="home"),
    )
    doc = ctx.get(model, "a")
    assert doc.home is not None
    doc.blob, doc.blobs, doc.home.street = b"plain", [b"2", b"new", b"1"], "t"
    ctx.save(doc)
    stored = store.get()
    assert (0, True) == (stored["blob"].meaning, stored["blob"].exclude_from_indexes)
    assert [22, 0, 22] == [one.meaning for one in stored["blobs"].array_value.values]
    assert "home" == stored["home"].entity_value.key.path[0].name
    doc.blob = b"packed"
    ctx.save(doc)
    assert (22 if model is Doc else 0) == store.get()["blob"].meaning


def test_an_update_keeps_what_belongs_to_what_it_writes(ctx: Cendry, store: Store) -> None:
    store.put(
        blob=value(b"packed", out=True, meaning=22),
        home=embedded(street=value("s"), note=value("n", out=True, meaning=15), key="home"),
        others=value([embedded(street=value("1"), note=value("n"), key=7), embedded(street=value("2"), note=EMPTY)]),
    )
    before = store.get()
    same: dict[Any, Any] = {
        Doc.home: Address(street="s", note="n"),
        Doc.others: [Address(street="1", note="n"), Address(street="2")],
    }
    ctx.update(Doc, "a", {Doc.blob: b"packed", **same})
    assert before == store.get()
    ctx.transaction(lambda txn: txn.update(txn.get(Doc, "a"), same))
    assert before == store.get()
    ctx.update(Doc, "a", {Doc.home: None, Doc.others: [], Doc.blob: b"other"})
    assert (0, False) == (store.get()["blob"].meaning, store.get()["home"].exclude_from_indexes)


def test_a_list_in_place_of_an_embedded_entity_gets_no_keys(ctx: Cendry, store: Store) -> None:
    store.put(any=embedded(k=value("v", out=True), inner=embedded(n=value(1), key="inner"), key="outer"))
    doc = ctx.get(Doc, "a")
    doc.any = [{"k": "w", "inner": {"n": 1}}, {"k": "u"}]
    ctx.save(doc)
    for one in store.get()["any"].array_value.values:
        assert not one.entity_value.HasField("key")
        assert not one.entity_value.properties["inner"].entity_value.HasField("key")
        assert one.entity_value.properties["k"].exclude_from_indexes


def test_marks_of_the_sdks_own_values_win(db: Database, store: Store) -> None:
    store.put(home=embedded(n=value(1), key="old"), blob=value(b"x", meaning=22, out=True))
    own = embedded(n=value(1), key="new")
    _rehome(own, store.sdk.project)
    other = value(b"x", meaning=16, out=True)
    db.commit(Update("Doc/a", {"home": own, "blob": other}, (FieldPath("home"), FieldPath("blob"))))
    stored = store.get()
    assert ("new", 16) == (stored["home"].entity_value.key.path[0].name, stored["blob"].meaning or 16)


# --- reading and saving changes nothing ---

TEXTS = st.text("ap2\n\t\r éZ", max_size=6)
NAMES = st.text("ab.p2é", min_size=1, max_size=4)
KEYS = st.one_of(st.none(), st.text("kp2", min_size=1, max_size=12), st.integers(1, 2**40))


@st.composite
def scalars(draw: st.DrawFn) -> Any:
    """A value that is neither an array nor a map, with random marks."""
    kind = draw(st.sampled_from(["text", "blob", "long", "long blob", "int", "float", "bool", "null", "time", "point"]))
    one = _sdk.Value()
    match kind:
        case "text":
            one.string_value = draw(TEXTS)
            one.meaning = draw(st.sampled_from([0, 0, 1, 2, 15, 17]))
        case "blob":
            one.blob_value = draw(st.binary(max_size=4))
            one.meaning = draw(st.sampled_from([0, 0, 22]))
        case "long":
            one.string_value = LONG + draw(TEXTS)
            one.meaning = draw(st.sampled_from([0, 15]))
        case "long blob":
            one.blob_value = b"p\x16" * 751
            one.meaning = draw(st.sampled_from([0, 22]))
        case "int":
            one.integer_value = draw(st.integers(-(2**63), 2**63 - 1))
        case "float":
            one.double_value = draw(st.floats(allow_nan=False))
        case "bool":
            one.boolean_value = draw(st.booleans())
        case "null":
            one.null_value = 0
        case "time":
            one.timestamp_value.seconds = draw(st.integers(-(2**33), 2**33))
            one.timestamp_value.nanos = draw(st.integers(0, 999_999)) * 1000
        case _:
            one.geo_point_value.latitude = draw(st.sampled_from([0.0, 1.5, -90.0]))
            one.geo_point_value.longitude = 7.25
    needs = kind.startswith("long") or one.meaning in (15, 22)
    one.exclude_from_indexes = needs or draw(st.booleans())
    return one


def maps(inner: Any) -> Any:
    """An embedded entity, with or without a key."""
    properties = st.dictionaries(NAMES, inner, max_size=3)
    return st.builds(lambda found, key, out: embedded(out=out, key=key, **found), properties, KEYS, st.booleans())


def lists(inner: Any) -> Any:
    """An array of these, some of which are there twice."""
    return st.lists(inner, max_size=4).flatmap(
        lambda found: st.permutations(found + found[:1]).map(lambda mixed: value(list(mixed)))
    )


ELEMENTS = st.recursive(scalars(), lambda inner: maps(inner | lists(inner)), max_leaves=6)
VALUES = ELEMENTS | lists(ELEMENTS)


class Loose(Model, collection="Doc"):
    a: Field[Any] = field(default=None)
    b: Field[dict[str, Any] | None] = field(default=None)
    c: Field[list[Any] | None] = field(default=None)


class LooseKept(Model, collection="Doc", extra="keep"):
    a: Field[Any] = field(default=None)
    b: Field[dict[str, Any] | None] = field(default=None)
    c: Field[list[Any] | None] = field(default=None)


ENTITIES = st.fixed_dictionaries({"a": VALUES, "b": maps(VALUES), "c": lists(ELEMENTS)})


def saved(properties: dict[str, Any]) -> dict[str, Any]:
    """The properties of an entity after it was read and saved, without a server."""
    entity = _entity(properties)
    fill_key(entity.key, "Doc/a", PARTITION)
    codec = codec_for(Loose)
    read: Callable[[FoundEntity], Loose] = FoundEntity.reader(codec)
    instance = read(FoundEntity("Doc/a", entity, PARTITION, kinds_of_marks(entity)))
    data = message.encoder(codec, DATASTORE, PARTITION)(instance)
    path = vars(instance)["_cendry_metadata"].path
    request = commit_request(by_entity([Set(path, data)]), {}, PARTITION, None)
    return dict(request.mutations[0].upsert.properties)


@pytest.mark.parametrize(
    "made",
    [
        _sdk.Value(integer_value=5, meaning=13),
        _sdk.Value(integer_value=-1, meaning=13, exclude_from_indexes=True),
        _sdk.Value(timestamp_value={"seconds": 1_700_000_000, "nanos": 5000}, meaning=7),
        _sdk.Value(timestamp_value={}, meaning=7),
        _sdk.Value(geo_point_value={"latitude": 1.5, "longitude": -7.25}, meaning=9),
        _sdk.Value(geo_point_value={"latitude": 1.5}, meaning=23, exclude_from_indexes=True),
        _sdk.Value(geo_point_value={}, meaning=23),
        embedded(auth_domain=value("x"), email=value("y"), meaning=20),
        embedded(auth_domain=value("x", out=True), email=value("y", out=True), meaning=20, out=True, key="k"),
        value("p", meaning=32),
        value(b"", meaning=22),
    ],
    ids=lambda made: f"{made.WhichOneof('value_type')}-{made.meaning}",
)
def test_meanings_that_no_emulator_stores(made: Any) -> None:
    properties = {"a": value("stop"), "b": embedded(x=made), "c": value([made])}
    assert properties == saved(properties)
    properties = {"a": made, "b": embedded(), "c": value([])}
    assert properties == saved(properties)


def test_ordinary_data_looks_like_no_mark() -> None:
    entity = _sdk.Entity()
    fill_key(entity.key, "Shop/__id7__/Shop/__id8__", PARTITION)
    for text in ("stop", "p\np\tp", "2\n\n2p", ""):
        entity.properties[f"zip {text} p"].CopyFrom(value(text))
        entity.properties[f"in {text} p"].CopyFrom(embedded(p=value(text), n=value(2), tip=value([value(text)])))
    assert UNMARKED == kinds_of_marks(entity)


def entity_of(**properties: Any) -> Any:
    """An entity as a message."""
    entity = _sdk.Entity()
    fill_key(entity.key, "Doc/a", PARTITION)
    for name, one in properties.items():
        entity.properties[name].CopyFrom(one)
    return entity


def test_marks_of_one_entity_after_the_other() -> None:
    find = MarksFinder().find
    out, long = value("x", out=True), value(LONG, out=True)
    for properties, names in (
        ({"a": out, "b": long}, ["a"]),
        ({"a": out, "b": long}, ["a"]),
        ({"a": out, "b": out}, ["a", "b"]),
        ({"a": long, "b": long}, []),
        ({"a": out, "c": out}, ["a", "c"]),
        ({"a": value("x"), "b": out, "c": out}, ["b", "c"]),
        ({"a": value("x"), "b": value("x")}, []),
    ):
        entity = entity_of(**properties)
        assert dict.fromkeys(names, EXCLUDED) == find(entity, kinds_of_marks(entity))


def test_too_much_that_is_indexed_has_no_mark_to_lose() -> None:
    many = value([value(number) for number in range(MAX_INDEXED_VALUES)])
    assert {"a": EXCLUDED} == marks_in(entity_of(a=value("x", out=True), many=many))


@pytest.mark.parametrize("plan", [GetPlan(("Doc/a",), projection=()), QueryPlan("Doc", projection=())])
def test_a_part_of_an_entity_is_read_with_defaults(db: Database, plan: GetPlan | QueryPlan) -> None:
    db.commit(Set("Doc/a", {"text": "x"}))
    [result] = db.get_plan(plan) if isinstance(plan, GetPlan) else db.run(plan)
    assert Doc(id="a") == reader(codec_for(Doc, default_registry))(result)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(ENTITIES)
def test_to_read_and_save_changes_nothing(properties: dict[str, Any]) -> None:
    assert properties == saved(properties)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)
@given(ENTITIES, st.sampled_from([Loose, LooseKept]), st.sampled_from(["save", "query", "batch", "update"]))
def test_to_read_and_save_changes_nothing_that_is_stored(
    ctx: Cendry, store: Store, properties: dict[str, Any], model: type[Loose], way: str
) -> None:
    store.put(**copy.deepcopy(properties))
    before = store.get()
    [doc] = ctx.select(model) if way == "query" else [ctx.get(model, "a")]
    if way == "batch":
        with ctx.batch() as batch:
            batch.save(doc)
            batch.update(doc, {model.a: doc.a})
    elif way == "update":
        ctx.update(doc, fields=[model.a, model.b, model.c])
    else:
        ctx.save(doc)
    assert before == store.get()
