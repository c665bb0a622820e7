"""The files of a migration: its plan, and the state of each shard. Every file belongs to one plan."""

from __future__ import annotations

from typing import Any, Final

from cendry.errors import JobFileError
from cendry.jobs import ShardState, Store, find_json, save_state, write_json

from .values import PLAN_FILE, Plan, Shard

COPY_FILE: Final = "copy.json"
"""When the last copy began and ended."""


def find_plan(store: Store) -> Plan | None:
    """The plan in a directory; `None` if there is none.

    Raises:
        JobFileError: It is not a plan that this version can read.
        JobStoreError: It can't be read.
    """
    content = store.get(PLAN_FILE)
    return None if content is None else Plan.from_json(content)


def read_plan(store: Store) -> Plan:
    """The plan in a directory.

    Raises:
        JobFileError: There is none, or it is not a plan that this version can read.
        JobStoreError: It can't be read.
    """
    plan = find_plan(store)
    if plan is None:
        raise JobFileError.missing(PLAN_FILE)
    return plan


def write_plan(store: Store, plan: Plan) -> None:
    """Write a plan into a directory that has none, or has this one, or has the one that it renews.

    Raises:
        JobFileError: The directory has another plan.
        JobStoreError: It can't be written.
    """
    found = find_plan(store)
    if found is not None:
        if found.hash == plan.hash:
            return
        if found.hash not in plan.hashes:
            raise JobFileError.of_another_plan(PLAN_FILE, found.hash, plan.hash)
    write_json(store, PLAN_FILE, plan.to_json(), indent=2)


def check_plan(store: Store, plan: Plan) -> None:
    """Check that a plan is the one of a directory, if that has one.

    Raises:
        JobFileError: The directory has another plan, or a newer form of this one.
        JobStoreError: It can't be read.
    """
    found = find_plan(store)
    if found is not None and found.hash != plan.hash:
        raise JobFileError.of_another_plan(PLAN_FILE, found.hash, plan.hash)


def state_file(shard: Shard) -> str:
    """The name of the file that has the state of a shard."""
    return f"state/{shard.name}.json"


def load_shard(store: Store, plan: Plan, shard: Shard) -> ShardState:
    """The state of a shard; that of a beginning if there is none.

    Its `plan` is the hash under which the shard was begun: `plan.moment` says when its first entities were read.

    Raises:
        JobFileError: It is not a state, or belongs to another plan.
        JobStoreError: It can't be read.
    """
    name = state_file(shard)
    found = find_json(store, name)
    if found is None:
        return ShardState(plan.hash)
    state = ShardState.from_json(name, found)
    if state.plan not in plan.hashes:
        raise JobFileError.of_another_plan(name, state.plan, plan.hash)
    return state


def save_shard(store: Store, shard: Shard, state: ShardState) -> None:
    """Write the state of a shard.

    Raises:
        JobStoreError: It can't be written.
    """
    save_state(store, state_file(shard), state)


def find_copy(store: Store, plan: Plan) -> dict[str, Any] | None:
    """What is known of the last copy of a plan into its target; `None` if none was begun.

    Raises:
        JobFileError: The file is damaged, or belongs to another plan.
        JobStoreError: It can't be read.
    """
    found = find_json(store, COPY_FILE)
    if found is not None and found.get("plan") not in plan.hashes:
        raise JobFileError.of_another_plan(COPY_FILE, str(found.get("plan")), plan.hash)
    return found
