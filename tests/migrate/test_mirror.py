"""The mirror, in all interleavings with writers and with others of its kind; and when a process ends midway."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from cendry_datastore.migrate.mirror import Mirrored, mirror, mirror_steps

Steps = Generator[None, None, "Mirrored | None"]
Start = Callable[[], "tuple[World, list[Steps]]"]


@dataclass
class Side:
    """A database of one document."""

    value: Any = None
    writes: list[Any] = field(default_factory=list)
    reads: list[Any] = field(default_factory=list)

    def read(self, names: Sequence[str]) -> Mapping[str, Any]:
        self.reads.append(self.value)
        return dict.fromkeys(names, self.value)

    def is_same(self, one: Any, other: Any) -> bool:
        return bool(one == other)

    def write(self, documents: Mapping[str, Any]) -> Mapping[str, Exception]:
        for value in documents.values():
            self.value = value
            self.writes.append(value)
        return {}


@dataclass
class World:
    original: Side
    replica: Side
    log: set[str] = field(default_factory=set)
    reads: list[Any] = field(default_factory=list)
    seen: list[list[Any]] = field(default_factory=lambda: [[] for _ in range(4)])

    def __post_init__(self) -> None:
        self.original.reads = self.reads


def writer(world: World, name: str, value: Any, mirroring: Callable[..., Steps]) -> Steps:
    """A process that writes the document: the log, the commit, and the mirror."""
    world.log.add(name)
    yield
    world.original.value = value
    yield
    outcome = yield from mirroring(["d"], world.original, world.replica)
    if outcome is not None and outcome.is_complete:
        world.log.discard(name)
    return outcome


def careless(names: Sequence[str], original: Side, replica: Side) -> Steps:
    """A mirror that does not read again."""
    found = original.read(names)
    yield
    replica.write(found)
    return Mirrored(tuple(names))


def run(start: Start, order: tuple[int, ...]) -> tuple[World, frozenset[int], Any]:
    """Run the first steps of several processes: the world, who still runs, and a key that determines the rest."""
    world, processes = start()
    running, steps = set(range(len(processes))), [0] * len(processes)
    for index in order:
        world.reads.clear()
        steps[index] += 1
        if next(processes[index], StopIteration) is StopIteration:
            running.discard(index)
        world.seen[index] += world.reads
    seen = tuple((count, tuple(values)) for count, values in zip(steps, world.seen, strict=False))
    return world, frozenset(running), (world.original.value, world.replica.value, frozenset(world.log), seen)


def ends(start: Start) -> Iterator[tuple[World, tuple[int, ...], int]]:
    """All worlds in which several processes can end, with an order of their steps and the number of such orders.

    What a process does next depends on what it has read, so orders that have led to the same are followed once.
    """
    # For each key, one order that leads there, and how many do.
    level: dict[Any, tuple[tuple[int, ...], int]] = {None: ((), 1)}
    while level:
        following: dict[Any, tuple[tuple[int, ...], int]] = {}
        for order, count in level.values():
            world, running, _ = run(start, order)
            if not running:
                yield world, order, count
            for index in running:
                longer = (*order, index)
                _, _, key = run(start, longer)
                known, before = following.get(key, (longer, 0))
                following[key] = known, before + count
        level = following


def world_of(*values: Any, mirrors: int = 0, mirroring: Callable[..., Steps] = mirror_steps) -> Any:
    def start() -> tuple[World, list[Steps]]:
        world = World(Side("v0"), Side("v0"))
        writers = [writer(world, f"w{index}", value, mirroring) for index, value in enumerate(values)]
        others = [mirroring(["d"], world.original, world.replica) for _ in range(mirrors)]
        return world, [*writers, *others]

    return start


@pytest.mark.parametrize(
    ("values", "mirrors"),
    [
        (("v1", "v2"), 1),
        (("v1", None), 1),
        ((None, "v2"), 1),
        # Back to what it was.
        (("v1", "v0"), 1),
    ],
)
def test_two_writers_and_a_mirror_end_equal_in_every_interleaving(values: tuple[Any, ...], mirrors: int) -> None:
    total = 0
    for world, order, count in ends(world_of(*values, mirrors=mirrors)):
        total += count
        assert world.original.value == world.replica.value, order
        assert set() == world.log
    assert 10_000 < total


def test_one_that_does_not_read_again_diverges() -> None:
    outcomes = [
        world.original.value == world.replica.value for world, _, _ in ends(world_of("v1", "v2", mirroring=careless))
    ]
    assert {True, False} == set(outcomes)


def test_what_diverges_at_the_last_attempt_is_in_the_log() -> None:
    def once(names: Sequence[str], original: Side, replica: Side) -> Steps:
        return mirror_steps(names, original, replica, attempts=1)

    logged = 0
    for world, order, _ in ends(world_of("v1", None, mirroring=once)):
        logged += bool(world.log)
        assert world.original.value == world.replica.value or world.log, order
    assert logged


def test_killed_at_any_step_and_repaired_they_end_equal() -> None:
    """A process ends after some of its steps, and its intents are repaired while the others go on."""
    for killed_after in range(6):

        def start(killed_after: int = killed_after) -> tuple[World, list[Steps]]:
            world = World(Side("v0"), Side("v0"))

            def killed() -> Steps:
                for _ in zip(range(killed_after), writer(world, "killed", "v1", mirror_steps), strict=False):
                    yield
                # From its death on, its lease gone, a repair mirrors what it left open.
                if "killed" not in world.log:
                    return None
                outcome = yield from mirror_steps(["d"], world.original, world.replica)
                world.log.discard("killed")
                return outcome

            return world, [killed(), writer(world, "other", "v2", mirror_steps)]

        for world, order, _ in ends(start):
            assert (world.original.value, set()) == (world.replica.value, world.log), (killed_after, order)


class Restless(Side):
    """A document that is changed after each read."""

    def read(self, names: Sequence[str]) -> Mapping[str, Any]:
        found = super().read(names)
        self.value += 1
        return found


def test_a_document_that_changes_each_time_is_given_up_after_five_attempts() -> None:
    replica = Side()
    outcome = mirror(["d"], Restless(0), replica)
    assert Mirrored((), {"d": "it changed during each of 5 attempts"}) == outcome
    assert [0, 1, 2, 3, 4] == replica.writes


class Refusing(Side):
    def write(self, documents: Mapping[str, Any]) -> Mapping[str, Exception]:
        errors = {name: ValueError("no  \n such") for name in documents if name == "bad"}
        super().write({name: value for name, value in documents.items() if name not in errors})
        return errors


def test_what_is_refused_keeps_nothing_else_from_being_mirrored() -> None:
    outcome = mirror(["good", "bad"], Side("v"), Refusing())
    assert (("good",), {"bad": "ValueError: no such"}, False) == (outcome.done, outcome.failed, outcome.is_complete)
    assert Mirrored((), {"bad": "ValueError: no such"}) == mirror(["bad"], Side("v"), Refusing())


class Unreadable(Side):
    def __init__(self, reads: int) -> None:
        super().__init__("v")
        self.left = reads

    def read(self, names: Sequence[str]) -> Mapping[str, Any]:
        self.left -= 1
        if self.left < 0:
            raise ConnectionError
        return super().read(names)


@pytest.mark.parametrize("reads", [0, 1])
def test_an_original_that_can_not_be_read_is_an_outcome_and_no_error(reads: int) -> None:
    assert Mirrored((), {"d": "ConnectionError"}) == mirror(["d"], Unreadable(reads), Side())


def test_nothing_to_mirror_is_done() -> None:
    assert Mirrored(()) == mirror([], Side(), Side())
