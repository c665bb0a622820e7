"""Tagged models: several in one collection, told apart by a stored tag."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from cendry import (
    CendryError,
    DecodeError,
    DocumentNotFoundError,
    Field,
    FieldPath,
    Increment,
    InvalidPageTokenError,
    Model,
    Query,
    Ref,
    UnknownFieldError,
    Vector,
    count,
    field,
    ref_of,
)
from cendry.plan import Set

from .driver import Database
from .features import Feature, needs
from .suite import Suite


class Event(Model, collection="events", tag_field="type"):
    """The base, which has no tag."""

    at: Field[int] = field(alias="when")


class Click(Event, tag="click"):
    """An event with a subclass."""

    x: Field[int] = field(default=0)
    target: Field[Ref[Event] | None] = field(default=None)


class DoubleClick(Click, tag="double click"):
    """An event of a deeper subclass."""

    pause: Field[float] = field(alias="the pause", default=0.0)
    first: Field[Ref[Click] | None] = field(default=None)


class Scroll(Event, tag="scroll"):
    """An event with a required field of its own."""

    dy: Field[int]


class Point(Event, tag="point"):
    """An event with a vector."""

    place: Field[Vector]


class Corner(Point, tag="corner"):
    """A point of a special kind."""


class Note(Model, collection="notes", tag_field="kind", tag=None, extra="keep"):
    """A base that is stored without a tag, and read where a tag is unknown."""

    text: Field[str] = field(default="")


class Question(Note, tag="question"):
    """A note with a tag."""

    answer: Field[str | None] = field(default=None)


class Animal(Model, collection="Animal", tag_field="class", tag=("Animal",)):
    """A base with tags as ndb's PolyModel stores them."""

    name: Field[str]


class Cat(Animal, tag=("Animal", "Cat")):
    """An animal."""

    lives: Field[int] = field(default=9)


class Siamese(Cat, tag=("Animal", "Cat", "Siamese")):
    """A deeper one."""


class Dog(Animal, tag=("Animal", "Dog")):
    """Another animal."""


class TaggedConformance(Suite):
    """Several models in one collection."""

    @pytest.fixture
    def events(self, ctx: Any) -> list[Event]:
        """A document of each kind, in the order of their times, which is that of their ids."""
        found: list[Event] = [
            Click(id="a", at=1, x=10),
            DoubleClick(id="b", at=2, x=20, pause=0.5),
            Scroll(id="c", at=3, dy=-5),
            Click(id="d", at=4, x=30),
        ]
        for event in found:
            ctx.save(event)
        return found

    # --- what is stored, and read by id ---

    def test_every_write_of_an_instance_stores_the_tag(self, db: Database, ctx: Any) -> None:
        ctx.save(Click(id="a", at=1))
        ctx.create(Scroll(id="b", at=2, dy=1))
        ctx.save_many([DoubleClick(id="c", at=3)])
        with ctx.batch() as batch:
            batch.save(Scroll(id="d", at=4, dy=1))
        assert {"type": "click", "when": 1, "x": 0, "target": None} == db.data("events/a")
        stored = [db.data(f"events/{name}") for name in "bcd"]
        assert ["scroll", "double click", "scroll"] == [data["type"] for data in stored if data]

    @pytest.mark.usefixtures("events")
    def test_reading_by_id_gives_instances_of_the_subclasses(self, ctx: Any, events: list[Event]) -> None:
        assert events == ctx.get_many(Event, list("abcd")) == [ctx.get(Event, name) for name in "abcd"]
        assert events[:2] == [ctx.get(Click, "a"), ctx.find(Click, "b")]
        assert events[:2] == ctx.get_many([Ref(Click, "a"), Ref(Event, "b")])
        assert DoubleClick is type(ctx.get(Ref(Click, "b")))
        assert "events/b" == ref_of(ctx.get(Event, "b")).path
        assert [True, False] == [ctx.exists(Event, name) for name in "cx"]

    @pytest.mark.usefixtures("events")
    def test_a_document_of_another_kind_is_not_there(self, ctx: Any) -> None:
        reads: list[Callable[[], Any]] = [
            lambda: ctx.get(Click, "c"),
            lambda: ctx.get(Ref(Click, "c")),
            lambda: ctx.get_many(Click, ["a", "c"]),
            lambda: ctx.get_or_create(Click, "c", {"at": 1}),
            lambda: ctx.refresh(Click(id="c", at=1)),
        ]
        for read in reads:
            with pytest.raises(DecodeError, match=r"events/c.*Click: type: .*'click'.*'scroll'.*Scroll") as it:
                read()
            assert (404, True) == (it.value.http_status, it.value.is_other_kind)
        assert ctx.find(Click, "c") is None
        assert [ctx.get(Event, "a"), None, None] == ctx.find_many(Click, list("acx"))
        assert ctx.find(DoubleClick, "a") is None
        with pytest.raises(DocumentNotFoundError):
            ctx.get(Click, "x")

    @needs(Feature.PROJECTIONS)
    @pytest.mark.usefixtures("events")
    def test_existence_of_one_kind(self, db: Database, ctx: Any) -> None:
        assert [True, True, False, False] == [ctx.exists(Click, name) for name in "abcx"]
        assert [False, True] == [ctx.exists(Ref(DoubleClick, name)) for name in "ab"]
        db.commit(Set("events/e", {"type": "hover"}), Set("events/f", {"type": ["click"]}), Set("events/g", {}))
        assert [False, False, False] == [ctx.exists(Click, name) for name in "efg"]
        ctx.save_many([Note(id="a"), Question(id="b")])
        assert [False, True] == [ctx.exists(Question, name) for name in "ab"]
        ctx.save_many([Animal(id="a", name="A"), Cat(id="b", name="B")])
        ctx.save_many([Siamese(id="c", name="C"), Dog(id="d", name="D")])
        assert [False, True, True, False] == [ctx.exists(Cat, name) for name in "abcd"]

    @pytest.mark.usefixtures("events")
    def test_refreshing_an_instance_whose_document_is_of_a_subclass_now(self, ctx: Any) -> None:
        click = ctx.get(Click, "a")
        ctx.save(DoubleClick(id="a", at=7))
        with pytest.raises(DecodeError, match="expected the tag of Click, found that of DoubleClick"):
            ctx.refresh(click)
        assert 1 == click.at
        fresh = ctx.get(Click, "a")
        ctx.update(Event, "a", {Event.at: 8})
        ctx.refresh(fresh)
        assert DoubleClick(id="a", at=8) == fresh

    def test_unknown_tags(self, db: Database, ctx: Any) -> None:
        unknown: dict[str, dict[str, Any]] = {"a": {"type": "hover", "when": 1}, "b": {"when": 2}, "c": {"type": 5}}
        for name, data in (unknown | {"d": {"type": ""}, "e": {"type": ["click"]}}).items():
            db.commit(Set(f"events/{name}", data))
            with pytest.raises(DecodeError, match=r"type: expected 'click' \(Click\) or") as error:
                ctx.find(Event, name)
            assert (500, False) == (error.value.http_status, error.value.is_other_kind)
            assert (None, True) == (ctx.find(Click, name), ctx.exists(Event, name))

    def test_a_base_without_a_tag_is_not_stored(self, db: Database, ctx: Any) -> None:
        event = Event(at=1)
        for write in (ctx.save, ctx.create):
            with pytest.raises(CendryError, match="Event has no tag, so its own instances can't be stored"):
                write(event)
        with pytest.raises(CendryError, match="Event has no tag"):
            ctx.save_many([Click(at=1), event])
        assert event.id is None
        assert db.data("events/a") is None

    # --- queries ---

    @needs(Feature.QUERIES, Feature.IN)
    def test_queries_select_by_the_tags_of_a_class_and_its_subclasses(self, ctx: Any, events: list[Event]) -> None:
        a, b, c, d = events
        assert events == ctx.select(Event, order_by=Event.at).to_list()
        assert [a, b, d] == ctx.select(Click, order_by=Click.at).to_list()
        assert [b] == list(ctx.select(DoubleClick))
        assert c == ctx.select(Scroll).one()
        assert [b, d] == ctx.select(Click, Click.x > 10, order_by=Click.x).to_list()
        assert [d, b] == list(ctx.select(Query(Click, Click.x > 10)).order_by(Click.x.desc()))
        assert (3, True, ["a", "b", "d"]) == (
            ctx.select(Click).count(),
            ctx.select(Click).exists(),
            sorted(ctx.select(Click).ids()),
        )
        assert not ctx.select(DoubleClick, DoubleClick.at > 2).exists()

    @needs(Feature.QUERIES)
    def test_one_tag_is_one_condition(self, ctx: Any, events: list[Event]) -> None:
        assert [events[1]] == ctx.select(DoubleClick, DoubleClick.x == 20, DoubleClick.at == 2).to_list()
        assert events == ctx.select(Event, order_by=Event.at).to_list()

    @needs(Feature.QUERIES)
    def test_fields_of_subclasses_in_queries_on_the_base(self, ctx: Any, events: list[Event]) -> None:
        a, b, _, d = events
        assert [a] == ctx.select(Event, Click.x == 10).to_list()
        assert [b] == ctx.select(Event, DoubleClick.pause == 0.5).to_list()
        query = ctx.select(Event, order_by=Click.x.desc())
        assert [d, b, a] == query.to_list()
        with pytest.raises(TypeError, match=r"Scroll\.dy is a field of Scroll, not of Click"):
            ctx.select(Click, Scroll.dy == 1)
        with pytest.raises(UnknownFieldError):
            ctx.select(Event, order_by="dy")

    @needs(Feature.QUERIES, Feature.CURSORS, Feature.IN)
    def test_cursors_of_subclasses(self, ctx: Any, events: list[Event]) -> None:
        a, b, c, d = events
        by_time = ctx.select(Event, order_by=Event.at)
        assert [c, d] == by_time.start_after(b).to_list() == by_time.start_at(c).to_list()
        assert [b, d] == ctx.select(Click, order_by=Click.at, start_after=a).to_list()
        assert [d] == ctx.select(Event, order_by=Click.x).start_after({Click.x: 20}).to_list()
        assert [d] == ctx.select(Event, order_by=Click.x).start_after(b).to_list()

    @needs(Feature.QUERIES, Feature.PROJECTIONS)
    def test_rows_of_several_kinds(self, ctx: Any, events: list[Event]) -> None:
        assert 4 == len(events)
        rows = ctx.select(Event, order_by=Event.at).values(Event.at, Click.x, Scroll.dy, Click.id)
        assert [(1, 10, None, "a"), (2, 20, None, "b"), (3, None, -5, "c"), (4, 30, None, "d")] == rows.to_list()
        dicts = ctx.select(Event, order_by=Event.at).project(DoubleClick.pause)
        assert [None, 0.5, None, None] == [row["pause"] for row in dicts]

    @needs(Feature.QUERIES, Feature.SUMS, Feature.IN)
    def test_figures_of_several_kinds(self, ctx: Any, events: list[Event]) -> None:
        assert 4 == len(events)
        clicks = ctx.select(Click)
        assert (60, 60, 20.0) == (ctx.select(Event).sum(Click.x), clicks.sum(Click.x), clicks.avg("x"))
        assert (3, 7) == ctx.select(Click).aggregate(count(), Click.at.sum())
        assert -5 == ctx.select(Event).sum(Scroll.dy)

    @needs(Feature.QUERIES, Feature.PAGES, Feature.IN)
    def test_pages_go_on_when_a_class_gets_a_subclass(self, ctx: Any, events: list[Event]) -> None:
        a, b, _, d = events
        query = ctx.select(Click, order_by=Click.at)
        assert [[a, b], [d]] == list(query.paginate(2))
        first = query.page(2)

        class TripleClick(Click, tag="triple click"):
            """Another kind of click."""

        assert TripleClick.__collection__ == "events"
        assert [d] == query.page(2, after=first.next_token).items
        with pytest.raises(InvalidPageTokenError, match="another query"):
            ctx.select(Event, order_by=Event.at).page(2, after=first.next_token)

    @needs(Feature.QUERIES, Feature.GROUPS, Feature.IN)
    def test_groups_of_several_kinds(self, ctx: Any, events: list[Event]) -> None:
        below = Ref.from_path("rooms/one")
        ctx.save(Click(id="e", at=5), parent=below)
        ctx.save(Scroll(id="f", at=6, dy=0), parent=below)
        assert [*events, Click(id="e", at=5), Scroll(id="f", at=6, dy=0)] == ctx.select_group(
            Event, order_by=Event.at
        ).to_list()
        assert ["a", "b", "d", "e"] == [click.id for click in ctx.select_group(Click, order_by=Click.at)]
        assert ["e"] == ctx.select(Click, parent=below).ids()

    @needs(Feature.QUERIES, Feature.OR, Feature.IN)
    def test_alternatives_within_a_kind(self, ctx: Any, events: list[Event]) -> None:
        a, _, _, d = events
        query = ctx.select(Click, (Click.at == 1) | (Click.at == 3) | (Click.x == 30), order_by=Click.at)
        assert [a, d] == query.to_list()

    @needs(Feature.QUERIES)
    def test_unknown_tags_in_queries(self, db: Database, ctx: Any, events: list[Event]) -> None:
        db.commit(Set("events/bad", {"type": "hover", "when": 0}))
        errors: list[DecodeError] = []
        assert events == ctx.select(Event, order_by=Event.at, on_error=errors.append).to_list()
        assert ["events/bad"] == [error.path for error in errors]
        assert [events[2]] == ctx.select(Scroll).to_list()

    # --- changes ---

    @pytest.mark.usefixtures("events")
    def test_updates_name_fields_of_subclasses_and_keep_the_tag(self, db: Database, ctx: Any) -> None:
        ctx.update(Event, "b", {Click.x: 21, DoubleClick.pause: 1.5, "at": 5})
        assert DoubleClick(id="b", at=5, x=21, pause=1.5) == ctx.get(Event, "b")
        ctx.update(Ref(Event, "c"), Scroll.dy.set(7))
        assert Scroll(id="c", at=3, dy=7) == ctx.get(Event, "c")
        click = ctx.get(Event, "a")
        ctx.update(click, {"x": 11})
        for change in ({"type": "scroll"}, {FieldPath("type"): "scroll"}, {FieldPath("type", "x"): 1}):
            with pytest.raises(CendryError, match="names 'type', which holds the document's tag"):
                ctx.update(click, change)
        assert {"type": "click", "when": 1, "x": 11, "target": None} == db.data("events/a")

    @pytest.mark.usefixtures("events")
    def test_an_instance_takes_no_fields_of_a_subclass(self, db: Database, ctx: Any) -> None:
        click = ctx.get(Event, "a")
        known = db.data("events/a")
        for changes in ({DoubleClick.pause: 1.5}, [Click.x.set(1), DoubleClick.pause.set(1.5)]):
            with pytest.raises(TypeError, match=r"is a field of DoubleClick, .* \(id 'a'\) is a Click"):
                ctx.update(click, changes)
        with pytest.raises(CendryError, match=r"This Click .* has no value for 'pause'"):
            ctx.update(click, fields=[DoubleClick.pause])
        assert known == db.data("events/a")
        assert not hasattr(click, "pause")
        ctx.update(ctx.get(Click, "b"), {DoubleClick.pause: 1.5})
        assert DoubleClick(id="b", at=2, x=20, pause=1.5) == ctx.get(Event, "b")

    @needs(Feature.MERGES)
    def test_a_merge_of_an_instance_takes_no_fields_of_a_subclass(self, db: Database, ctx: Any) -> None:
        with pytest.raises(TypeError, match="is a field of DoubleClick"):
            ctx.merge(Click(id="a", at=1), {Click.at: 1, DoubleClick.pause: 1.5})
        assert db.data("events/a") is None

    @needs(Feature.TRANSFORMS)
    @pytest.mark.usefixtures("events")
    def test_transforms_of_fields_of_subclasses(self, ctx: Any) -> None:
        ctx.update(Event, "a", {Click.x: Increment(5)})
        counted: Any = Increment(1)
        ctx.save(Click(id="e", at=6, x=counted))
        assert [Click(id="a", at=1, x=15), Click(id="e", at=6, x=1)] == ctx.get_many(Event, list("ae"))

    @needs(Feature.MERGES)
    def test_merges_store_the_tag(self, db: Database, ctx: Any) -> None:
        ctx.merge(Scroll, "a", {"at": 1, "dy": 2})
        ctx.merge(DoubleClick(id="b", at=1), {Click.at: 3})
        assert {"type": "scroll", "when": 1, "dy": 2} == db.data("events/a")
        assert [Scroll(id="a", at=1, dy=2), DoubleClick(id="b", at=3)] == ctx.get_many(Event, list("ab"))
        with pytest.raises(CendryError, match="Event has no tag"):
            ctx.merge(Event, "a", {"at": 2})
        with pytest.raises(CendryError, match="may be one of a subclass of Click"):
            ctx.merge(Click, "b", {"at": 2})
        with pytest.raises(CendryError, match="names 'type'"):
            ctx.merge(Scroll, "a", {"type": "click", "at": 2, "dy": 2})

    def test_updates_or_creates_of_one_kind(self, ctx: Any, events: list[Event]) -> None:
        _, _, scroll, _ = events
        assert (Scroll(id="n", at=1, dy=2), True) == ctx.get_or_create(Scroll, "n", {"at": 1, "dy": 2})
        assert (scroll, False) == ctx.get_or_create(Event, "c", {"at": 9})

    @needs(Feature.TRANSACTIONS, Feature.PROJECTIONS)
    @pytest.mark.usefixtures("events")
    def test_transactions(self, ctx: Any) -> None:
        def move(txn: Any) -> Any:
            assert (None, False) == (txn.find(Click, "c"), txn.exists(Click, "c"))
            click = txn.get(Event, "b")
            txn.update(click, {DoubleClick.pause: 2.0})
            txn.save(Scroll(id="e", at=5, dy=1))
            return click

        assert DoubleClick(id="b", at=2, x=20, pause=2.0) == ctx.transaction(move)
        assert Scroll(id="e", at=5, dy=1) == ctx.get(Event, "e")
        with pytest.raises(DecodeError, match="Scroll"):
            ctx.update_or_create(Click, "c", {"at": 1})
        assert (Scroll(id="c", at=9, dy=-5), False) == ctx.update_or_create(Event, "c", {"at": 9})

    @pytest.mark.usefixtures("events")
    def test_references_to_several_kinds(self, ctx: Any) -> None:
        ctx.save(Click(id="e", at=5, target=Ref(Scroll, "c")))
        click = ctx.get(Click, "e")
        assert Scroll(id="c", at=3, dy=-5) == ctx.get(click.target)
        fetched = ctx.fetch_refs([click, ctx.get(Event, "c")], Click.target)
        assert {Ref(Scroll, "c"): Scroll(id="c", at=3, dy=-5)} == fetched
        double = DoubleClick(id="f", at=6, first=Ref(Click, "c"))
        ctx.save(double)
        assert {} == ctx.fetch_refs([double], DoubleClick.first)
        ctx.update(click, {Click.target: ctx.get(Event, "b")})
        assert DoubleClick is type(ctx.get(ctx.get(Click, "e").target))

    @needs(Feature.QUERIES, Feature.BULK, Feature.TRANSFORMS, Feature.IN)
    @pytest.mark.usefixtures("events")
    def test_changes_of_all_documents_of_a_kind(self, ctx: Any) -> None:
        assert 3 == ctx.select(Click).update({Click.x: Increment(1)}).written
        assert 1 == ctx.select(Event, Click.x == 21).update({DoubleClick.pause: 2.0}).written
        assert [11, 21, 31] == [click.x for click in ctx.select(Click, order_by=Click.x)]
        assert 2.0 == ctx.get(DoubleClick, "b").pause
        with pytest.raises(CendryError, match="names 'type'"):
            ctx.select(Click).update({"type": "scroll"})
        assert 3 == ctx.select(Click).delete().written
        assert ["c"] == ctx.select(Event).ids()
        with ctx.bulk() as bulk:
            bulk.save(Click(id="e", at=5))
            bulk.update(Event, "c", {Scroll.dy: 9})
            bulk.merge(Scroll, "f", {"at": 6, "dy": 1})
        found = [Scroll(id="c", at=3, dy=9), Click(id="e", at=5), Scroll(id="f", at=6, dy=1)]
        assert found == ctx.select(Event, order_by=Event.at).to_list()

    @needs(Feature.QUERIES, Feature.VECTORS, Feature.IN)
    def test_nearest_documents_of_several_kinds(self, ctx: Any) -> None:
        ctx.save_many([Point(id="a", at=1, place=Vector([1, 0])), Corner(id="b", at=2, place=Vector([0, 1]))])
        ctx.save_many([Corner(id="c", at=3, place=Vector([3, 0])), Click(id="d", at=4)])
        options: dict[str, Any] = {"limit": 5, "distance": "euclidean"}
        every = ctx.select(Event).find_nearest(Point.place, [1.0, 0.0], **options).to_list()
        assert [("a", Point), ("b", Corner), ("c", Corner)] == [(one.document.id, type(one.document)) for one in every]
        points = ctx.select(Point).find_nearest(Point.place, [1.0, 0.0], **options)
        assert [0.0, 2**0.5, 2.0] == [one.distance for one in points]
        corners = ctx.select(Corner).find_nearest(Point.place, [1.0, 0.0], **options)
        assert ["b", "c"] == [one.document.id for one in corners]

    # --- a base that is stored without a tag ---

    def test_a_base_is_read_where_the_tag_is_unknown(self, db: Database, ctx: Any) -> None:
        ctx.save(Note(id="a", text="plain"))
        ctx.save(Question(id="b", text="why"))
        db.commit(Set("notes/c", {"text": "new", "kind": "poll", "votes": 3}))
        assert {"text": "plain"} == db.data("notes/a")
        assert {"kind": "question", "text": "why", "answer": None} == db.data("notes/b")
        found = [Note(id="a", text="plain"), Question(id="b", text="why"), Note(id="c", text="new")]
        assert found == ctx.get_many(Note, list("abc"))
        for name in "ac":
            with pytest.raises(DecodeError, match=r"found str 'poll' \(Note\)|found nothing"):
                ctx.get(Question, name)
            assert ctx.find(Question, name) is None

    @needs(Feature.MASKS)
    def test_a_base_keeps_the_tag_that_it_does_not_know(self, db: Database, ctx: Any) -> None:
        db.commit(Set("notes/c", {"text": "new", "kind": "poll", "votes": 3}))
        note = ctx.get(Note, "c")
        note.text = "changed"
        ctx.save(note)
        assert {"text": "changed", "kind": "poll", "votes": 3} == db.data("notes/c")
        ctx.save(Question(id="c", text="why"))
        assert {"text": "why", "kind": "question", "votes": 3, "answer": None} == db.data("notes/c")

    @needs(Feature.QUERIES)
    def test_queries_on_such_a_base(self, ctx: Any) -> None:
        notes = [Note(id="a", text="plain"), Question(id="b", text="why")]
        ctx.save_many(notes)
        assert notes == ctx.select(Note, order_by=Note.text).to_list()
        assert notes[1:] == ctx.select(Question).to_list()

    # --- tags that are arrays ---

    def test_tags_that_are_arrays(self, db: Database, ctx: Any) -> None:
        animals = [Animal(id="a", name="A"), Cat(id="b", name="B"), Siamese(id="c", name="C"), Dog(id="d", name="D")]
        ctx.save_many(animals)
        assert {"class": ["Animal", "Cat"], "name": "B", "lives": 9} == db.data("Animal/b")
        assert animals == ctx.get_many(Animal, list("abcd"))
        db.commit(Set("Animal/e", {"class": ["Animal", "Bird"], "name": "E"}), Set("Animal/f", {"class": "Cat"}))
        for name in "ef":
            with pytest.raises(DecodeError, match=r"class: expected \('Animal',\) \(Animal\) or"):
                ctx.get(Animal, name)
            assert ctx.find(Cat, name) is None

    @needs(Feature.QUERIES, Feature.ARRAY_FILTERS)
    def test_queries_by_tags_that_are_arrays(self, ctx: Any) -> None:
        animals = [Animal(id="a", name="A"), Cat(id="b", name="B"), Siamese(id="c", name="C"), Dog(id="d", name="D")]
        ctx.save_many(animals)
        assert animals == ctx.select(Animal, order_by=Animal.name).to_list()
        assert animals[1:3] == ctx.select(Cat, order_by=Cat.name).to_list()
        assert animals[2:3] == ctx.select(Siamese).to_list()
        assert animals[1:2] == ctx.select(Cat, Cat.name == "B").to_list()

    # --- listeners ---

    @needs(Feature.LISTENERS, Feature.QUERIES, Feature.IN)
    def test_listening_to_one_kind(self, ctx: Any) -> None:
        ctx.save(Scroll(id="c", at=3, dy=1))
        clicks = ctx.select(Click, order_by=Click.at).snapshots()
        assert () == next(clicks).documents
        ctx.save_many([Click(id="a", at=1), DoubleClick(id="b", at=2)])
        assert (Click(id="a", at=1), DoubleClick(id="b", at=2)) == next(clicks).documents
        ctx.save(Scroll(id="a", at=1, dy=0))
        last = next(clicks)
        assert ((DoubleClick(id="b", at=2),), ["removed"]) == (last.documents, [one.type for one in last.changes])
        clicks.close()

    @needs(Feature.LISTENERS)
    def test_listening_to_a_document_that_becomes_one_of_another_kind(self, ctx: Any) -> None:
        ctx.save(Scroll(id="c", at=3, dy=1))
        click, event = ctx.snapshots(Click, "c"), ctx.snapshots(Ref(Event, "c"))
        assert [(), (Scroll(id="c", at=3, dy=1),)] == [next(one).documents for one in (click, event)]
        ctx.save(Click(id="c", at=4))
        assert [(Click(id="c", at=4),)] * 2 == [next(one).documents for one in (click, event)]
        ctx.save(Scroll(id="c", at=5, dy=2))
        assert [(), (Scroll(id="c", at=5, dy=2),)] == [next(one).documents for one in (click, event)]
        for one in (click, event):
            one.close()
