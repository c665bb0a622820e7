"""What changed since the copy: written, deleted, given up, and stopped before too much is deleted."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from cendry.jobs import DeadLetter, DeadLetters, JobStoppedError, LocalStore, ShardState, Stop, save_state
from cendry_datastore._keys import fill_key
from cendry_datastore.migrate import KindPlan, Plan, Shard, Source, Target
from cendry_datastore.migrate._delta import TooManyDeletesError, delta, last_run
from cendry_datastore.migrate._repair import retry_dead, shard_of
from cendry_datastore.migrate.messages import MessageMirror, key_of
from cendry_datastore.migrate.steps import steps
from cendry_datastore.migrate.target import Write
from migrate.seeding import entity, put


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "migration")


def plan_of(source: Source, target: Target, *kinds: str, **options: Any) -> Plan:
    made = [
        KindPlan(kind, kind, source.count(kind), (Shard(kind, number),), was_empty=True)
        for number, kind in enumerate(kinds)
    ]
    where: dict[str, Any] = {"source": source.place, "target": target.place, "read_time": source.now()}
    return Plan("id", **where, mode="raw", transforms=(), kinds=tuple(made), **options)


def copied(plan: Plan, store: LocalStore, source: Source, target: Target) -> None:
    """Copy everything, as `copy` does."""
    for shard in plan.shards:
        for page in source.pages(shard):
            keys = [result.entity.key for result in page.results]
            assert MessageMirror.of_plan(plan, source, target).mirror(keys).is_complete
        save_state(store, f"state/{shard.name}.json", ShardState(plan.hash, "", 0, 0, done=True))


def fields_of(target: Target, kind: str) -> dict[str, int]:
    documents = [document for page in target.pages(kind) for document in page]
    return {document.name.rpartition("/documents/")[2]: document.fields["n"].integer_value for document in documents}


def test_only_what_changed_is_written_and_what_is_gone_is_deleted(
    sdk: Any, source: Source, target: Target, store: LocalStore
) -> None:
    put(sdk, [entity(sdk, "City", number, n=0) for number in range(1, 11)])
    plan = plan_of(source, target, "City")
    copied(plan, store, source, target)
    put(sdk, [entity(sdk, "City", 3, n=1), entity(sdk, "City", "a/b", n=1)])
    sdk.delete(sdk.key("City", 4))
    first = delta(plan, state=store, source=source, target=target)
    assert (2, 8, 1, 0) == (first.copied, first.skipped, first.deleted, first.dead)
    expected = {f"City/__id{number}__": int(number == 3) for number in range(1, 11) if number != 4}
    assert {**expected, "City/__esca~1b__": 1} == fields_of(target, "City")
    assert (first.read_time, True) == last_run(store)
    # The next one begins where this one began.
    put(sdk, [entity(sdk, "City", 5, n=2)])
    second = delta(plan, state=store.directory, source=source, target=target)
    assert (1, 9, 0) == (second.copied, second.skipped, second.deleted)
    assert 2 == fields_of(target, "City")["City/__id5__"]
    assert ["delta"] == list(steps(store))


def test_a_shard_that_was_not_copied_to_its_end_is_written_as_a_whole(
    sdk: Any, source: Source, target: Target, store: LocalStore
) -> None:
    put(sdk, [entity(sdk, "City", 1, n=0), entity(sdk, "Shop", 1, n=0)])
    plan = plan_of(source, target, "City", "Shop")
    save_state(store, "state/City-000.json", ShardState(plan.hash, "", 0, 0, done=False))
    result = delta(plan, state=store, since=source.now(), source=source, target=target)
    assert (2, 0) == (result.copied, result.skipped)
    assert {"City/__id1__": 0} == fields_of(target, "City")


def test_a_moment_of_ones_own(sdk: Any, source: Source, target: Target, store: LocalStore) -> None:
    put(sdk, [entity(sdk, "City", 1, n=0)])
    plan = plan_of(source, target, "City")
    copied(plan, store, source, target)
    long_ago = datetime.now(timezone.utc) - timedelta(days=1)
    assert 1 == delta(plan, state=store, since=long_ago, source=source, target=target).copied
    assert 0 == delta(plan, state=store, source=source, target=target).copied


def test_many_deletions_are_refused_unless_they_are_allowed(
    sdk: Any, source: Source, target: Target, store: LocalStore
) -> None:
    put(sdk, [entity(sdk, "City", number, n=0) for number in range(1, 103)])
    plan = plan_of(source, target, "City")
    copied(plan, store, source, target)
    sdk.delete_multi([sdk.key("City", number) for number in range(2, 103)])
    with pytest.raises(TooManyDeletesError, match=r"101 documents of the target have no entity.*--allow-deletes 101"):
        delta(plan, state=store, source=source, target=target)
    assert 102 == len(fields_of(target, "City"))
    result = delta(plan, state=store, allow_deletes=101, source=source, target=target)
    assert (101, {"City/__id1__": 0}) == (result.deleted, fields_of(target, "City"))


def test_a_kind_that_is_empty_all_at_once_deletes_nothing(
    sdk: Any, source: Source, target: Target, store: LocalStore
) -> None:
    put(sdk, [entity(sdk, "City", number, n=0) for number in (1, 2)])
    plan = plan_of(source, target, "City")
    copied(plan, store, source, target)
    sdk.delete_multi([sdk.key("City", number) for number in (1, 2)])
    with pytest.raises(TooManyDeletesError, match="City is empty now, and had 2 entities") as caught:
        delta(plan, state=store, source=source, target=target)
    assert (2, 2) == (caught.value.deletes, len(fields_of(target, "City")))
    with pytest.raises(TooManyDeletesError):
        delta(plan, state=store, allow_deletes=1, source=source, target=target)
    assert 2 == delta(plan, state=store, allow_deletes=2, source=source, target=target).deleted


def test_documents_of_others_are_not_deleted(sdk: Any, source: Source, target: Target, store: LocalStore) -> None:
    put(sdk, [entity(sdk, "City", 1, n=0), entity(sdk, "Town", 1, n=0)])
    plan = plan_of(source, target, "City", "Town")
    town = plan.kinds[1]
    plan = Plan(**{**vars_of(plan), "kinds": (plan.kinds[0], KindPlan("Town", "Town", 1, town.shards))})
    copied(plan, store, source, target)
    write(target, "Town/other")
    # It is in a collection that was not empty.
    assert 0 == delta(plan, state=store, source=source, target=target).deleted
    assert {"Town/__id1__", "Town/other"} == fields_of(target, "Town").keys()


def write(target: Target, path: str) -> None:
    target.commit([Write(update={"name": f"{target.name}/documents/{path}"})])


def vars_of(plan: Plan) -> dict[str, Any]:
    return {name: getattr(plan, name) for name in plan.__dataclass_fields__}


def test_collections_of_another_name(sdk: Any, source: Source, target: Target, store: LocalStore) -> None:
    put(sdk, [entity(sdk, "City", number, n=0) for number in (1, 2)])
    plan = plan_of(source, target, "City")
    plan = Plan(**{**vars_of(plan), "kinds": (KindPlan("City", "cities", 2, plan.shards, was_empty=True),)})
    copied(plan, store, source, target)
    sdk.delete(sdk.key("City", 1))
    # No entity can have been this document.
    write(target, "City/a/cities/b")
    assert 1 == delta(plan, state=store, source=source, target=target).deleted
    assert {"cities/__id2__": 0, "City/a/cities/b": 0} == fields_of(target, "cities")


def test_it_can_be_stopped_and_goes_on(sdk: Any, source: Source, target: Target, store: LocalStore) -> None:
    put(sdk, [entity(sdk, kind, 1, n=0) for kind in ("City", "Shop")])
    plan = plan_of(source, target, "City", "Shop")
    stop = Stop()
    with pytest.raises(JobStoppedError):
        delta(plan, state=store, source=source, target=target, stop=stop, on_progress=lambda _: stop.request())
    assert {"City/__id1__": 0} == fields_of(target, "City")
    assert {} == fields_of(target, "Shop")
    began, ended = last_run(store) or (None, None)
    assert ended is False
    result = delta(plan, state=store, source=source, target=target)
    assert (began, 2) == (result.read_time, result.copied)
    assert {"Shop/__id1__": 0} == fields_of(target, "Shop")


def test_what_can_not_be_a_document_is_given_up_and_tried_again(
    sdk: Any, source: Source, target: Target, store: LocalStore
) -> None:
    foreign = sdk.key("City", 1, namespace="other")
    put(sdk, [entity(sdk, "City", 1, n=0, key=foreign), entity(sdk, "City", 2, n=0)])
    plan = plan_of(source, target, "City")
    result = delta(plan, state=store, source=source, target=target)
    assert (1, 1) == (result.copied, result.dead)
    [letter] = DeadLetters.read(store).values()
    assert "City/__id1__" == letter.path
    assert letter.error is not None
    assert "foreign keys are refused" in letter.error
    failed = retry_dead(plan, state=store, source=source, target=target)
    assert (0, {"City/__id1__": letter.error}) == (failed.done, failed.failed)
    put(sdk, [entity(sdk, "City", 1, n=5)])
    done = retry_dead(plan, state=store, source=source, target=target)
    assert {"done": 1, "failed": {}, "waiting": 0} == done.to_json()
    assert {} == DeadLetters.read(store)
    assert {"City/__id1__": 5, "City/__id2__": 0} == fields_of(target, "City")
    assert 0 == retry_dead(plan, state=store, source=source, target=target).done


def test_a_delta_takes_back_the_letter_of_what_fits_now(
    sdk: Any, source: Source, target: Target, store: LocalStore
) -> None:
    put(sdk, [entity(sdk, "City", 1, n=0)])
    plan = plan_of(source, target, "City")
    [page] = source.pages(plan.shards[0])
    DeadLetters(store, plan.shards[0].name).extend([DeadLetter(page.last_key.hex(), "City/__id1__", "once")])
    delta(plan, state=store, source=source, target=target)
    assert {} == DeadLetters.read(store)


def test_keys_belong_to_the_shard_whose_range_has_them(source: Source, target: Target) -> None:
    def key(path: str) -> Any:
        made = key_of("")
        fill_key(made, path, source.partition)
        return made

    cut = key("City/m").SerializeToString(deterministic=True)
    shards = (Shard("City", 0, b"", cut), Shard("City", 1, cut, b""))
    plan = plan_of(source, target)
    plan = Plan(**{**vars_of(plan), "kinds": (KindPlan("City", "City", 2, shards),)})
    for path, number in {"City/a": 0, "City/__id9__": 0, "City/m": 0, "City/n": 1, "City/a/Town/n": 2}.items():
        assert number == shard_of(plan, key(path)).number
    assert Shard("Town", 2) == shard_of(plan, key("Town/n"))
