"""A source without a database, and a target that keeps nothing: what is left is what a copy itself takes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timezone
from typing import Any

from cendry_datastore import _sdk
from cendry_datastore._keys import Partition
from cendry_datastore._values import write_properties
from cendry_datastore.migrate import KindPlan, Plan, Shard, Source, Target
from cendry_datastore.migrate.paging import Page, key_bytes
from cendry_datastore.migrate.values import new_id
from google.cloud.datastore_v1.types import EntityResult

PROJECT = "generated"
DATA: dict[str, Any] = {
    "name": "San Francisco",
    "state": "CA",
    "text": "x" * 200,
    "population": 870_000,
    "area": 121.4,
    "is_capital": False,
    "since": datetime(1850, 4, 15, tzinfo=timezone.utc),
    "tags": ["bay", "fog", "hills"],
    "mayor": {"name": "A. Mayor", "since": 2018},
    "nothing": None,
    "data": b"\x00\x01\x02",
    "codes": [415, 628],
    "motto": "Oro en paz, fierro en guerra",
}


class Generated(Source):
    """A source that makes its entities when they are read.

    Args:
        each: The number of entities of each shard.
    """

    def __init__(self, each: int) -> None:
        super().__init__(project=PROJECT)
        self.each = each
        self._template = _sdk.Entity()
        self._template.key.partition_id.project_id = PROJECT
        write_properties(self._template.properties, DATA, Partition(PROJECT, "", ""))

    def plan(self, shards: int) -> Plan:
        """The plan for kinds of one shard each."""
        made = [Shard(f"K{number:02}", number) for number in range(shards)]
        kinds = [KindPlan(shard.kind, shard.kind, self.each, (shard,)) for shard in made]
        return Plan(new_id(), self.place, self.place, datetime.now(timezone.utc), "raw", (), tuple(kinds))

    def pages(self, shard: Shard, *, page: int = 500, **_: Any) -> Iterator[Page]:
        for start in range(0, self.each, page):
            results = [self._result(shard.kind, number) for number in range(start, min(start + page, self.each))]
            yield Page(results, key_bytes(results[-1].entity.key), None)

    def _result(self, kind: str, number: int) -> Any:
        result = EntityResult.pb()()
        result.entity.CopyFrom(self._template)
        result.entity.key.path.add(kind=kind, name=f"c{number:07}")
        return result


class Sink(Target):
    """A target that counts, and keeps nothing.

    Attributes:
        documents: How many were written.
    """

    def __init__(self) -> None:
        super().__init__(project=PROJECT)
        self.documents = 0
        self._counting = threading.Lock()

    def has_documents(self, collection: str) -> bool:
        return False

    def commit(self, writes: Sequence[Any], *, note: Callable[[bool], object] | None = None, **_: Any) -> None:
        assert note is not None
        note(True)
        with self._counting:
            self.documents += len(writes)
