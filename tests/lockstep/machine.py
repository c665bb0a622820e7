"""The state machine: draws requests, sends them to both sides in lockstep, and counts what it reached."""

from __future__ import annotations

import contextlib
import math
import tempfile
import uuid
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import cendry_memory._indexes
import cendry_memory._query
from cendry.backend import CommitResult, DocumentResult
from cendry.paths import FieldPath
from cendry.plan import (
    Aggregation,
    AggregationPlan,
    Bound,
    Composite,
    Condition,
    Create,
    Delete,
    FieldTransform,
    GetPlan,
    Order,
    QueryPlan,
    Set,
    full_orders,
    put_at,
)
from cendry.reference import Ref
from cendry_firestore import FirestoreBackend
from cendry_memory import MemoryBackend
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from lockstep import pools, requests, searches
from lockstep.models import ACTS, act_of
from lockstep.pair import NOBODY, Both, Difference, Pair, Watch
from lockstep.reached import expect, reach
from lockstep.refusals import REFUSALS
from lockstep.requests import Draft

GROUPS = ("n", "o", "c", "s", "é", "cities", "streets", "e", "photos")

RULES = {
    "commit",
    "fill",
    "write again",
    "numbers",
    "implied orders",
    "search",
    "query",
    "cursor on a document",
    "get",
    "aggregate",
    "transaction",
    "begin transaction",
    "read in transaction",
    "end transaction",
    "use an ended transaction",
    "read at a moment",
    "malformed",
    "through contexts",
    "write many",
    "all below",
}
expect("rule", RULES)
expect("rule that is rare", {"listen", "listened commit", "reopen"})
expect("listener", {"sync", "async"})
expect("store", {"in memory", "in a file", "indexes always", "indexes for many", "many documents", "few documents"})
expect(
    "error",
    {
        "InvalidRequestError",
        "DocumentNotFoundError",
        "DocumentAlreadyExistsError",
        "StaleDocumentError",
        "MissingIndexError",
    },
)
expect("bulk", {"done", "refused"})
expect("below", {"something", "nothing"})
expect(
    "transaction",
    {"committed", "rolled back", "refused", "read-only", "read-only beside a commit", "first read refused"},
)


class Lockstep(RuleBasedStateMachine):
    """Memory and Firestore, in lockstep."""

    def __init__(self) -> None:
        super().__init__()
        self.undo = contextlib.ExitStack()
        self.file: Path | None = None
        self.pair = Pair(FirestoreBackend(project=f"lockstep-{uuid.uuid4().hex[:16]}"), None)
        self.undo.callback(lambda: self.pair.firestore.close())
        # What memory holds, as far as it was looked at, for drawing what lies near.
        self.documents: dict[str, dict[str, Any]] = {}
        self.versions: dict[str, list[Both]] = {}
        self.deletions: dict[str, set[datetime]] = {}
        # Where a transform may have made a map on its way: written again as it is, the emulator gives such a document
        # one new version.
        self.made_on_the_way: set[str] = set()
        self.commits = 0
        self.moments: list[Both] = []
        self.ended: list[Both] = []
        self.reader: Both | None = None
        self.writer: Both | None = None
        self.watch: Any = None
        self.may_listen = False

    @initialize(
        in_file=st.integers(0, 5),
        few=st.booleans(),
        listens=st.integers(0, 3),
        many=st.integers(0, 9),
        first=st.lists(pools.documents(), min_size=4, max_size=8),
        more=st.lists(st.tuples(pools.homes, st.lists(pools.documents(), min_size=1, max_size=4)), max_size=3),
    )
    def begin(self, in_file: int, few: bool, listens: int, many: int, first: list[Any], more: list[Any]) -> None:
        """Choose how memory works in this run, and write some documents."""
        if in_file == 0:
            folder = self.undo.enter_context(tempfile.TemporaryDirectory())
            self.file = Path(folder, "lockstep.db")
        reach("store", "in memory" if self.file is None else "in a file")
        self._open()
        if few:
            # Small collections are looked through one by one, and a block of an index holds hundreds of documents.
            self._patch(cendry_memory._query, "_FEW", -1)
            self._patch(cendry_memory._indexes, "_BLOCK", 2)
        reach("store", "indexes always" if few else "indexes for many")
        self.may_listen = self.may_listen or listens <= 1
        self._fill("c", first)
        if many == 5:
            # One id more for each document, beyond the number that is looked through one by one.
            drafts = [Draft(Set(f"c/n{number}", first[number % len(first)] | {"n": number})) for number in range(70)]
            self._commit(drafts)
        reach("store", "many documents" if many == 5 else "few documents")
        for home, documents in more:
            self._fill(home, documents)

    def _patch(self, module: Any, name: str, value: int) -> None:
        self.undo.callback(setattr, module, name, getattr(module, name))
        setattr(module, name, value)

    def _open(self) -> None:
        backend = MemoryBackend(self.file)
        self.pair.memory = backend
        self.undo.callback(backend.close)

    def teardown(self) -> None:
        """Compare all that is there, and close."""
        try:
            if self.pair.memory is not None:
                self._end_all()
                self.look_at_everything()
        finally:
            self.undo.close()

    def _listen(self, plan: Any, twin: str) -> Watch:
        """A listener until the end: one that is closed can make the emulator fail at the next commit, as cancelled."""
        reach("listener", twin)
        watch = self.pair.listen(plan, twin)
        self.undo.callback(watch.close)
        return watch

    def _end_all(self) -> None:
        for transaction in (self.reader, self.writer):
            if transaction is not None:
                self.pair.rollback(transaction)
        self.reader = self.writer = None
        if self.watch is not None:
            self.watch.settle()
            self.watch = None

    # --- writes ---

    def _resolved(self, draft: Draft) -> Both:
        """A write for each side, with the update times that it expects there."""
        write = draft.write
        if draft.stamp == "none" or isinstance(write, Create):
            return Both(write, write)
        if draft.stamp in ("future", "ancient"):
            year = 2100 if draft.stamp == "future" else 1999
            moment = datetime(year, 1, 1, tzinfo=timezone.utc)
            return Both(replace(write, update_time=moment), replace(write, update_time=moment))
        known = self.versions.get(write.path, [])
        # The emulator takes the moment of a deletion for a version, and then calls the document missing, not stale.
        gone = self.deletions.get(write.path, set())
        latest = [versions[-1] for path, versions in sorted(self.versions.items()) if path != write.path]
        others = [version for version in latest if version.memory not in gone]
        choice = {"current": known[-1:], "older": known[:-1][-1:], "other's": others[-1:]}[draft.stamp]
        if not choice:
            return Both(write, write)
        return Both(replace(write, update_time=choice[0].firestore), replace(write, update_time=choice[0].memory))

    def _commit(self, drafts: list[Draft], transaction: Both = NOBODY) -> bool:
        requests.count_commit(drafts)
        writes = [self._resolved(draft) for draft in drafts]
        results = self.pair.commit([each.firestore for each in writes], [each.memory for each in writes], transaction)
        if results is not None:
            self._note(results)
            for draft in drafts:
                self._note_write(draft, results[1].commit_time)
        self._look_at(sorted({draft.write.path for draft in drafts}))
        return results is not None

    @precondition(lambda self: self.writer is None)
    @rule(drafts=requests.commits(), again=st.integers(0, 9))
    def write_many(self, drafts: list[Draft], again: int) -> None:
        """Some writes, each by itself."""
        reach("rule", "write many")
        different = list({draft.write.path: draft for draft in drafts}.values())
        if again == 0 and len(different) < len(drafts):
            # One document twice is refused.
            different = drafts
        requests.count_commit(different)
        writes = [self._resolved(draft) for draft in different]
        results = self.pair.write_many([each.firestore for each in writes], [each.memory for each in writes])
        for draft, result in zip(different, results or (), strict=results is not None):
            reach("bulk", "done" if result.memory.error is None else "refused")
            if result.memory.error is None:
                self._note_write(draft, None)
        self._look_at(sorted({draft.write.path for draft in different}))
        self._heard()

    @precondition(lambda self: self.documents)
    @rule(number=st.integers(0, 200), up=st.integers(0, 2))
    def all_below(self, number: int, up: int) -> None:
        """The names of all documents below one, there or not."""
        reach("rule", "all below")
        paths = sorted(self.documents)
        segments = paths[number % len(paths)].split("/")
        parent = "/".join(segments[: max(len(segments) - 2 * up, 2)])
        found = self.pair.run(QueryPlan("", parent, group=True, projection=()))
        reach("below", "something" if found else "nothing")

    def _note_write(self, draft: Draft, moment: datetime | None) -> None:
        """Remember what is drawn around later."""
        if any(len(change.path) > 1 for change in getattr(draft.write, "transforms", ())):
            self.made_on_the_way.add(draft.write.path)
        if isinstance(draft.write, Delete) and moment is not None:
            self.deletions.setdefault(draft.write.path, set()).add(moment)

    def _note(self, results: tuple[CommitResult, CommitResult]) -> None:
        if results[0].commit_time is not None:
            self.commits += 1
            if self.commits % 3 == 1:
                self.moments.append(Both(results[0].commit_time, results[1].commit_time))

    def _look_at(self, paths: list[str]) -> None:
        """Compare these documents, and remember them."""
        if not paths:
            return
        before = self.pair.times
        for result in self.pair.get(GetPlan(tuple(paths))) or ():
            if result.data is None:
                self.documents.pop(result.path, None)
                continue
            self.documents[result.path] = result.data
            moment = Both(before.of(result.update_time), result.update_time)
            versions = self.versions.setdefault(result.path, [])
            if moment not in versions:
                versions.append(moment)

    @precondition(lambda self: self.writer is None)
    @rule(drafts=requests.commits())
    def commit(self, drafts: list[Draft]) -> None:
        """Some writes, of any kind."""
        reach("rule", "commit")
        if self.reader is not None:
            reach("transaction", "read-only beside a commit")
        self._commit(drafts)
        self._heard()

    def _heard(self) -> None:
        if self.watch is not None:
            reach("rule that is rare", "listened commit")
            self.watch.settle()

    @precondition(lambda self: self.writer is None)
    @rule(drafts=requests.commits())
    def commit_again(self, drafts: list[Draft]) -> None:
        """The same."""
        self.commit(drafts)

    @precondition(lambda self: self.writer is None)
    @rule(home=pools.homes, documents=st.lists(pools.documents(), min_size=1, max_size=4))
    def fill(self, home: str, documents: list[dict[str, Any]]) -> None:
        """Several documents in one collection."""
        reach("rule", "fill")
        self._fill(home, documents)

    def _fill(self, home: str, documents: list[dict[str, Any]]) -> None:
        self._commit(
            [
                Draft(Set(f"{home}/{id}", data))
                for id, data in zip(pools.COMMON_IDS + pools.ODD_IDS, documents, strict=False)
            ]
        )

    @precondition(lambda self: self.documents and self.writer is None)
    @rule(number=st.integers(0, 200), twin=st.sampled_from(["same", "same", "twin"]), masked=st.booleans())
    def write_again(self, number: int, twin: str, masked: bool) -> None:
        """What a document has already, or what looks the same and is not: 1.0 for 1, -0.0 for 0.0."""
        reach("rule", "write again")
        reach("written again", twin)
        paths = sorted(self.documents.keys() - self.made_on_the_way)
        if not paths:
            return
        path = paths[number % len(paths)]
        stored = {name: value for name, value in self.documents[path].items() if name not in ("stamp", "st")}
        data = pools.twin_of(stored) if twin == "twin" else stored
        mask = tuple(FieldPath(name) for name in data) if masked else None
        self._commit([Draft(Set(path, data, mask))])

    @precondition(lambda self: self.writer is None)
    @rule(
        numbers=st.lists(pools.numbers, min_size=2, max_size=6),
        transforms=st.lists(requests.number_transforms, max_size=6),
        op=st.sampled_from(["==", "!=", "<", "<=", ">", ">="]),
        operand=pools.numbers,
        descending=st.booleans(),
    )
    def numbers(self, numbers: list[Any], transforms: list[Any], op: Any, operand: Any, descending: bool) -> None:
        """Numbers among themselves: changed by transforms, sorted, compared, summed."""
        reach("rule", "numbers")
        drafts = [Draft(Set(f"n/d{place}", {"v": value})) for place, value in enumerate(numbers)]
        at = FieldPath("v")
        for place, transform in enumerate(transforms):
            change = (FieldTransform(at, transform),)
            drafts.append(Draft(Set(f"n/d{place % len(numbers)}", {}, (), change)))
        self._commit(drafts)
        everything = QueryPlan("n", orders=(Order(at, descending),))
        some = QueryPlan("n", where=Condition(at, op, operand))
        self._run(everything)
        self._run(some)
        for plan in (everything, some):
            self.pair.aggregate(AggregationPlan(plan, (Aggregation("sum", at), Aggregation("avg", at))))

    @precondition(lambda self: self.writer is None)
    @rule(
        fields=st.tuples(pools.quoted_paths, pools.plain_paths).flatmap(st.permutations),
        values=st.lists(st.tuples(pools.numbers, pools.numbers), min_size=3, max_size=6),
        opposed=st.booleans(),
        ranges=st.tuples(requests.number_ranges, requests.number_ranges),
        composite=st.sampled_from(["AND", "AND", "OR"]),
        orders=st.sampled_from([(), (), (Order(FieldPath("half")),), (Order(FieldPath("half"), True),)]),
        count=st.integers(1, 3),
        listens=st.integers(0, 9),
    )
    def implied_orders(
        self,
        fields: list[FieldPath],
        values: list[tuple[Any, Any]],
        opposed: bool,
        ranges: tuple[Any, Any],
        composite: Any,
        orders: tuple[Order, ...],
        count: int,
        listens: int,
    ) -> None:
        """Inequalities on two fields, one of a name that needs quoting: queried, paged, summed and listened to."""
        reach("rule", "implied orders")
        if opposed:
            ups = sorted((one for one, _ in values), key=_place_of)
            downs = sorted((other for _, other in values), key=_place_of, reverse=True)
            values = list(zip(ups, downs, strict=True))
        drafts: list[Draft] = []
        for place, numbers in enumerate(values):
            data: dict[str, Any] = {"half": place % 2}
            for field, number in zip(fields, numbers, strict=True):
                put_at(data, field.segments, number)
            drafts.append(Draft(Set(f"o/d{place}", data)))
        self._commit(drafts)
        parts = (Condition(field, op, operand) for field, (op, operand) in zip(fields, ranges, strict=True))
        where = Composite(composite, tuple(parts))
        plan = QueryPlan("o", where=where, orders=orders)
        found = self._run(plan) or []
        if len(found) > count:
            whole = full_orders(where, orders)
            last = found[count - 1]
            bound = Bound(tuple(requests.value_at(last.path, last.data or {}, one.path, None) for one in whole), False)
            rest = self._run(replace(plan, orders=whole, start=bound)) or []
            if [each.path for each in rest] != [each.path for each in found[count:]]:
                raise Difference(f"what comes after {last.path} in {plan}", found, rest)
        sums = tuple(Aggregation("sum", field) for field in fields)
        self.pair.aggregate(AggregationPlan(replace(plan, limit=count), sums))
        if self.may_listen and listens == 0:
            self._listen(plan, "sync").settle()

    @precondition(lambda self: self.writer is None)
    @rule(search=searches.searches())
    def search(self, search: searches.Search) -> None:
        """Documents with vectors, and a search for the nearest of them."""
        reach("rule", "search")
        self._commit([Draft(Set(path, data)) for path, data in search.documents.items()])
        plan, read = search.plan, search.read
        nearest = plan.nearest
        assert nearest is not None
        every = self.pair.search(searches.without_threshold(plan)) or []
        if not searches.is_decidable(nearest, [each.distance for each in every]):
            reach("what a search met", "a threshold in the margin")
            plan = replace(plan, nearest=replace(nearest, threshold=None))
        if read == "at a moment" and self.moments:
            reach("search read", read)
            past = self.moments[-1]
            then = self.pair.search(searches.without_threshold(plan), moment=past) or []
            if searches.is_decidable(nearest, [each.distance for each in then]):
                self.pair.search(plan, moment=past)
        elif read.startswith("in "):
            reach("search read", read)
            handle = self.pair.begin(read_only=read == "in a read-only transaction")
            self.pair.search(plan, handle)
            self.pair.rollback(handle)
        else:
            reach("search read", "now")
        found = self.pair.search(plan)
        if found is not None:
            searches.count_search(search._replace(plan=plan), every, found)

    # --- reads ---

    def _run(
        self, plan: QueryPlan, transaction: Both = NOBODY, moment: Both | None = None
    ) -> list[DocumentResult] | None:
        results = self.pair.run(plan, transaction, moment)
        requests.count_query(plan, None if results is None else len(results))
        return results

    @rule(plans=st.lists(requests.queries(), min_size=2, max_size=7), aim=requests.aims)
    def query(self, plans: list[QueryPlan], aim: list[int]) -> None:
        """Queries, mostly aimed at what is there."""
        reach("rule", "query")
        for plan in plans:
            self._run(requests.aimed(plan, self.documents, aim))

    @precondition(lambda self: self.documents)
    @rule(
        number=st.integers(0, 200),
        orders=requests.sortings(least=1),
        count=st.integers(1, 3),
        shift=st.sampled_from(["at", "at", "below", "above", "other"]),
        bounds=st.sampled_from(["start", "end", "both"]),
        before=st.booleans(),
        group=st.booleans(),
        where=st.one_of(st.none(), st.none(), requests.conditions()),
        limit=st.sampled_from([None, None, 1, 3]),
        other=pools.scalars,
    )
    def cursor_on_a_document(
        self,
        number: int,
        orders: tuple[Order, ...],
        count: int,
        shift: str,
        bounds: str,
        before: bool,
        group: bool,
        where: Any,
        limit: int | None,
        other: Any,
    ) -> None:
        """A query with cursors at the values of a document that is there, or close to them."""
        reach("rule", "cursor on a document")
        paths = sorted(self.documents)
        path = paths[number % len(paths)]
        home, _, _ = path.rpartition("/")
        parent, _, collection = home.rpartition("/")
        values = [requests.value_at(path, self.documents[path], order.path, other) for order in orders[:count]]
        if values and not isinstance(values[-1], Ref):
            values[-1] = {"below": _below, "above": _above, "at": lambda value: value, "other": lambda _: other}[shift](
                values[-1]
            )
        bound = Bound(tuple(values), before)
        start = bound if bounds != "end" else None
        end = Bound(bound.values, not before) if bounds == "both" else bound if bounds == "end" else None
        reach("cursor", shift)
        self._run(QueryPlan(collection, None if group else parent or None, group, where, orders, start, end, limit))

    @rule(plans=st.lists(requests.queries(), min_size=2, max_size=7), aim=requests.aims)
    def query_again(self, plans: list[QueryPlan], aim: list[int]) -> None:
        """The same: all rules are chosen alike, and queries have the most to them."""
        self.query(plans, aim)

    @rule(plan=requests.gets)
    def get(self, plan: GetPlan) -> None:
        """Documents by path, there or not."""
        reach("rule", "get")
        self.pair.get(plan)

    @rule(plan=requests.aggregation_plans, aim=requests.aims)
    def aggregate(self, plan: AggregationPlan, aim: list[int]) -> None:
        """Figures."""
        reach("rule", "aggregate")
        plan = replace(plan, query=requests.aimed(plan.query, self.documents, aim))
        requests.count_aggregation(plan)
        self.pair.aggregate(plan)

    def look_at_everything(self) -> None:
        """All documents of all collections."""
        for group in GROUPS:
            self.pair.run(QueryPlan(group, group=True))

    # --- the past ---

    @precondition(lambda self: self.moments)
    @rule(number=st.integers(0, 4), plan=st.one_of(requests.queries(), requests.gets, requests.aggregation_plans))
    def read_at_a_moment(self, number: int, plan: Any) -> None:
        """What was there at an earlier moment."""
        reach("rule", "read at a moment")
        # The latest ones, mostly.
        self._read(plan, moment=self.moments[-1 - number % len(self.moments)])

    def _read(self, plan: Any, transaction: Both = NOBODY, moment: Both | None = None) -> Any:
        handle = transaction.firestore
        if handle is not None and handle.must_begin and not handle.has_ended and self._read(plan) is None:
            # What is refused for want of an index would leave locks on the emulator, which nobody could release.
            self.pair.get(GetPlan(("nothing/here",)), transaction)
        if isinstance(plan, GetPlan):
            return self.pair.get(plan, transaction, moment)
        if isinstance(plan, AggregationPlan):
            return self.pair.aggregate(plan, transaction, moment)
        return self._run(plan, transaction, moment)

    # --- transactions ---

    @precondition(lambda self: self.writer is None)
    @rule(
        reads=st.lists(st.one_of(requests.queries(), requests.gets, requests.aggregation_plans), max_size=3),
        drafts=requests.commits(),
        commits=st.sampled_from([True, True, False]),
        read_only=st.sampled_from([False, False, False, True]),
        writes_all_the_same=st.booleans(),
    )
    def transaction(
        self, reads: list[Any], drafts: list[Draft], commits: bool, read_only: bool, writes_all_the_same: bool
    ) -> None:
        """A whole transaction, with nobody else about."""
        reach("rule", "transaction")
        handle = self.pair.begin(read_only=read_only)
        if read_only:
            reach("transaction", "read-only")
        for plan in reads:
            self._read(plan, handle)
        self._end(handle, drafts if writes_all_the_same or not read_only else [], commits)

    @precondition(lambda self: self.reader is None and self.writer is None)
    @rule(read_only=st.booleans(), is_refused=st.sampled_from([False, False, True]))
    def begin_transaction(self, read_only: bool, is_refused: bool) -> None:
        """A transaction that stays open: a read-only one while others write, another while others read."""
        reach("rule", "begin transaction")
        handle = self.pair.begin(read_only=read_only)
        if is_refused and self.pair.run(QueryPlan("c", where=Condition(FieldPath("a"), "in", [])), handle) is None:
            reach("transaction", "first read refused")
        if read_only:
            self.reader = handle
        else:
            self.writer = handle

    @precondition(lambda self: self.reader is not None or self.writer is not None)
    @rule(plan=st.one_of(requests.queries(), requests.gets, requests.aggregation_plans))
    def read_in_transaction(self, plan: Any) -> None:
        """A read in the open transaction."""
        reach("rule", "read in transaction")
        self._read(plan, self.reader or self.writer or NOBODY)

    @precondition(lambda self: self.reader is not None or self.writer is not None)
    @rule(drafts=requests.commits(), commits=st.sampled_from([True, True, False]))
    def end_transaction(self, drafts: list[Draft], commits: bool) -> None:
        """The end of the open transaction; a read-only one commits nothing."""
        reach("rule", "end transaction")
        handle = self.reader or self.writer or NOBODY
        self._end(handle, [] if self.reader else drafts, commits)
        self.reader = self.writer = None

    def _end(self, handle: Both, drafts: list[Draft], commits: bool) -> None:
        if not commits:
            self.pair.rollback(handle)
            reach("transaction", "rolled back")
        elif self._commit(drafts, handle):
            reach("transaction", "committed")
        else:
            # The emulator keeps the locks of a transaction whose commit it refused.
            self.pair.rollback(handle)
            reach("transaction", "refused")
        self.ended.append(handle)

    @precondition(lambda self: self.ended and self.writer is None)
    @rule(use=st.sampled_from(["get", "run", "aggregate", "commit", "rollback"]), draft=requests.drafts())
    def use_an_ended_transaction(self, use: str, draft: Draft) -> None:
        """A handle that is no good any more."""
        reach("rule", "use an ended transaction")
        handle = self.ended.pop()
        if use == "get":
            self.pair.get(GetPlan(("c/d1",)), handle)
        elif use == "run":
            self.pair.run(QueryPlan("c"), handle)
        elif use == "aggregate":
            self.pair.aggregate(AggregationPlan(QueryPlan("c")), handle)
        elif use == "commit":
            self._commit([draft], handle)
        else:
            self.pair.rollback(handle)

    # --- what is refused ---

    @precondition(lambda self: self.writer is None)
    @rule(names=st.lists(st.sampled_from(sorted(REFUSALS)), min_size=1, max_size=3))
    def malformed(self, names: list[str]) -> None:
        """Requests that make no sense, or nearly none."""
        reach("rule", "malformed")
        for name in names:
            REFUSALS[name](self.pair)

    # --- the whole road ---

    @precondition(lambda self: self.writer is None)
    @rule(
        names=st.lists(st.sampled_from(sorted(ACTS)), min_size=2, max_size=4),
        numbers=st.lists(st.integers(0, 7), min_size=6, max_size=6),
    )
    def through_contexts(self, names: list[str], numbers: list[int]) -> None:
        """Several things done with models."""
        reach("rule", "through contexts")
        for name in names:
            if self.pair.through((name, numbers), act_of(name, numbers)):
                reach("act that was not refused", name)

    # --- rare ones ---

    @precondition(lambda self: self.may_listen and self.watch is None)
    @rule(
        plan=st.one_of(requests.queries(), requests.queries(), requests.gets),
        drafts=requests.commits(),
        twin=st.sampled_from(["sync", "async"]),
    )
    def listen(self, plan: Any, drafts: list[Draft], twin: str) -> None:
        """A listener, which sees a commit at once, and those to come."""
        if isinstance(plan, GetPlan):
            plan = GetPlan(plan.paths[:1])
        elif requests.has_long_value(plan.where):
            return
        reach("rule that is rare", "listen")
        self.watch = self._listen(plan, twin)
        self.watch.settle()
        if self.writer is None:
            self._commit(drafts)
            self._heard()

    @precondition(
        lambda self: self.file is not None and self.writer is None and self.reader is None and self.watch is None
    )
    @rule()
    def reopen(self) -> None:
        """Close the file and open it again."""
        reach("rule that is rare", "reopen")
        self.pair.memory.close()
        self._open()
        # A file keeps the present, and no past.
        self.moments.clear()
        self.ended.clear()
        self.look_at_everything()


def _place_of(number: float) -> tuple[bool, float]:
    """Where a number stands among others, NaN at last."""
    return math.isnan(number), number


def _below(value: Any) -> Any:
    if isinstance(value, bool):
        return False
    if isinstance(value, (int, float)):
        return max(value - 1, -(2**63)) if isinstance(value, int) else value - 0.5
    if isinstance(value, (str, bytes)):
        return value[:-1]
    if isinstance(value, list):
        return value[:-1]
    return value


def _above(value: Any) -> Any:
    if isinstance(value, bool):
        return True
    if isinstance(value, (int, float)):
        return min(value + 1, 2**63 - 1) if isinstance(value, int) else value + 0.5
    if isinstance(value, str):
        # What is longer than an index entry is cut there, and then it is not above.
        return value + "\0" if len(value) < 1500 else value
    if isinstance(value, bytes):
        return value + b"\0"
    if isinstance(value, list):
        return [*value, None]
    return value


expect("written again", {"same", "twin"})
expect("cursor", {"at", "below", "above", "other"})
expect("act that was not refused", ACTS)
