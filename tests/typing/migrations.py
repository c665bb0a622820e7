"""What type checkers make of copies in migrations."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from cendry_datastore.migrate import Place, Plan, Progress, Result, Shard, Source, Target, Transforms, copy
from typing_extensions import assert_type

from cendry.jobs import LocalStore


def show(progress: Progress) -> None:
    assert_type(progress.done, int)


def migrate(plan: Plan, moment: datetime) -> None:
    with Source(project="p") as source, Target(project="p", database="native") as target:
        assert_type(source, Source)
        assert_type(target, Target)
        assert_type(source.place, Place)
        assert_type(source.kinds(), list[str])
        assert_type(source.namespaces(), list[str] | None)
        assert_type(source.lookup([]), dict[bytes, Any])
        result = copy(plan, state="migration/", rate=200, on_progress=show, source=source, target=target)
    assert_type(result, Result)
    assert_type(result.copied, int)
    assert_type(result.read_time, datetime)
    assert_type(copy(plan, state=LocalStore("migration"), since=moment), Result)
    assert_type(plan.shards, tuple[Shard, ...])
    assert_type(Transforms.ndb().rename(K="ns1_K"), Transforms)


def misuse(plan: Plan) -> None:
    copy(plan)  # error: mypy pyright ty
    copy(plan, state=1)  # error: mypy pyright ty
    copy(plan, state="migration/", on_progress="print")  # error: mypy pyright ty
