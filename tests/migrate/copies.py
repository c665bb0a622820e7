"""What the tests of copies share: a source with many kinds, targets that count, and the comparison of both sides."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cendry_datastore.migrate import KindPlan, Plan, Shard, Source, Target
from cendry_datastore.migrate.cut import cut_walk, shards_of
from cendry_datastore.migrate.target import Document
from cendry_datastore.migrate.translate import Translator, UntranslatableError
from cendry_datastore.migrate.values import Place, new_id
from migrate.seeding import entity, put

PAGE = 50


def seed(client: Any, kinds: int, each: int) -> int:
    """Store entities of some kinds, below others too, with references; returns how many."""
    entities: list[Any] = []
    for kind in range(kinds):
        for number in range(each):
            path: list[str | int] = [f"K{kind:02}", number + 1 if number % 2 else f"n/{number}"]
            if number % 10 == 9:
                path = [f"K{(kind + 1) % kinds:02}", number, *path]
            entities.append(entity(client, *path, n=number, text="x" * (number % 7), to=client.key("K00", number + 1)))
    put(client, entities)
    return len(entities)


def plan_of(source: Source, target: Place, size: int = 10_000, **facts: Any) -> Plan:
    """A plan for all kinds of a source, or for some, as they are now."""
    kinds: list[KindPlan] = []
    number = 0
    moment = source.now()
    for kind in facts.get("kinds") or source.kinds():
        cuts, count = cut_walk(source.keys(kind, moment), size)
        shards = shards_of(kind, cuts, number)
        number += len(shards)
        kinds.append(KindPlan(kind, facts.get("collections", {}).get(kind, kind), count, shards, True))
    return Plan(new_id(), source.place, target, moment, "raw", (), tuple(kinds), facts.get("foreign", "refuse"))


class CountingTarget(Target):
    """A target that counts the documents that are sent, also across processes.

    Attributes:
        log: A file that gets a line for each commit.
        before: Called before each commit, with its number.
        after: The same after it.
    """

    log: Path
    before: Callable[[int], object] = staticmethod(lambda number: None)
    after: Callable[[int], object] = staticmethod(lambda number: None)

    def commit(self, writes: Sequence[Any], **options: Any) -> None:
        with self._lock:
            descriptor = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.write(descriptor, b"%d\n" % len(writes))
            os.close(descriptor)
            number = len(self.log.read_bytes().splitlines())
        self.before(number)
        super().commit(writes, **options)
        self.after(number)


def sent(log: Path) -> int:
    """How many documents were sent."""
    return sum(map(int, log.read_bytes().split())) if log.exists() else 0


def check_equal(plan: Plan, source: Source, target: Target) -> int:
    """Compare all documents with what the entities translate to; returns how many there are."""
    translator = Translator(
        source.partition, plan.target, plan.transforms, foreign=plan.foreign, collections=plan.collections
    )
    expected: dict[str, Any] = {}
    for kind in plan.kinds:
        for page in source.pages(Shard(kind.kind, 0), read_time=plan.read_time):
            for result in page.results:
                document = Document()
                try:
                    translator.document(result.entity, document)
                except UntranslatableError:
                    continue
                expected[document.name] = document.fields
    found = {one.name: one.fields for page in target.pages(None) for one in page}
    assert expected.keys() == found.keys()
    for name, fields in expected.items():
        assert fields == found[name], name
    return len(found)
