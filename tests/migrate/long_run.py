"""A migration of many entities between fresh emulators, killed again and again at random: `hatch run migration-long`.

The copy runs in processes that get SIGKILL at random moments; then it goes on to its end, and both sides are compared.
After that another copy, which nothing kills, shows how the memory of its process grows with the entities, and one from
a generated source shows the same for a million. It takes about ten minutes, and exits with 1 if anything is missing,
extra or different, or if memory grows. Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import linear_regression
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from cendry.jobs import DeadLetters, LocalStore, Progress
from cendry_datastore.migrate import Place, Plan, Proof, Source, Target, copy, verify
from cendry_memory.emulator import DATASTORE_MODE, FIRESTORE, known, start, stop
from google.cloud import datastore
from migrate.copies import CountingTarget, plan_of, sent
from migrate.generated import DATA, Generated, Sink
from migrate.seeding import entity, put

KINDS, PAGE, WORKERS, BAD = 20, 500, 4, 40
HEAP = "4g"
MOST_GROWTH = 10.0
"""Megabytes by which the memory of a copy may grow after the first fifth of the entities."""
MOST_MEMORY = 150.0
"""Megabytes that a copy of a million entities may take."""


def resident() -> float:
    """Megabytes of this process that are in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def peak() -> float:
    """The most megabytes of it that were. (The figure of `resource` includes those of the process that started it.)"""
    [line] = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024 / 1e6


def growth(samples: Sequence[tuple[int, float]]) -> float:
    """Megabytes by which it grew after the first fifth of the entities, by the line nearest to the samples."""
    settled = samples[len(samples) // 5 :]
    slope, _ = linear_regression([float(done) for done, _ in settled], [memory for _, memory in settled])
    return slope * (settled[-1][0] - settled[0][0])


# --- processes ---


def copying(given: dict[str, Any]) -> None:
    """Copy, in a process of its own; print what it took."""
    plan = Plan.from_json(given["plan"])
    samples: list[tuple[int, float]] = []

    def sample(progress: Progress) -> None:
        samples.append((progress.done, resident()))

    started = time.process_time()
    with ExitStack() as stack:
        source: Source
        target: Target
        if given["generated"]:
            source, target = stack.enter_context(Generated(given["generated"])), stack.enter_context(Sink())
        else:
            source = stack.enter_context(Source(project=plan.source.project))
            target = counting = stack.enter_context(CountingTarget(project=plan.target.project))
            counting.log = Path(given["log"])
        result = copy(
            plan,
            state=given["state"],
            workers=WORKERS,
            page=PAGE,
            source=source,
            target=target,
            on_progress=sample if given["measure"] else None,
        )
    print(
        json.dumps(
            {
                "copied": result.copied,
                "dead": result.dead,
                "cpu": time.process_time() - started,
                "peak": peak(),
                "growth": growth(samples) if samples else None,
            }
        )
    )


class Copying:
    """Starts copies in processes of their own."""

    def __init__(self, plan: Plan, directory: Path, name: str, *, measure: bool = False, generated: int = 0) -> None:
        self.plan = plan
        self.state = directory / name
        self.log = directory / f"{name}.sent"
        self.given = {
            "plan": plan.to_json(),
            "state": str(self.state),
            "log": str(self.log),
            "measure": measure,
            "generated": generated,
        }
        self.file = directory / f"{name}.json"
        self.file.write_text(json.dumps(self.given))

    def start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, __file__, "--copy", str(self.file)],
            stdout=subprocess.PIPE,
            text=True,
            env=dict(os.environ),
        )

    def finish(self) -> dict[str, Any]:
        shown, _ = self.start().communicate()
        found: dict[str, Any] = json.loads(shown)
        return found


# --- the run ---


def fill(client: Any, entities: int) -> None:
    def make(number: int) -> Any:
        kind, index = number % KINDS, number // KINDS + 1
        path: list[str | int] = [f"K{kind:02}", index if index % 2 else f"n/{index}"]
        if index % 10 == 9:
            path = [f"K{(kind + 1) % KINDS:02}", index, *path]
        some = {name: DATA[name] for name in ("name", "text", "population", "tags", "mayor")}
        return entity(client, *path, n=number, to=client.key("K00", index), **some)

    foreign = datastore.Key("X", 1, project="elsewhere")
    put(client, (entity(client, f"K{number % KINDS:02}", f"bad {number}", to=foreign) for number in range(BAD)))
    put(client, map(make, range(entities)))


def killed(copies: Copying, entities: int, kills: int, rng: random.Random, say: Callable[..., None]) -> int:
    """Kill a copy at random moments; returns how many times it was."""
    done = 0
    for number in range(kills):
        child = copies.start()
        # Evenly over the copy, and anywhere in a page.
        wanted = entities * (number + rng.random()) / (kills + 1)
        while child.poll() is None and sent(copies.log) < wanted:
            time.sleep(0.01)
        time.sleep(rng.random() * 0.3)
        child.kill()
        child.communicate()
        done += child.returncode == -9
        say(f"kill {number + 1}: {sent(copies.log):,} documents sent")
    return done


def shown(found: dict[str, Any]) -> str:
    each = found["cpu"] / found["copied"] * 1e6
    memory = f"memory at most {found['peak']:.0f} MB, {found['growth']:+.1f} MB after the first fifth"
    return f"{found['copied']:,}, {each:.0f} us of CPU each; {memory}"


def proven(proof: Proof) -> bool:
    return proof.ok and not (proof.missing or proof.extra or proof.different or proof.changed)


def main(arguments: argparse.Namespace, seed: int) -> int:
    started = time.monotonic()

    def say(*texts: object) -> None:
        print(f"{time.monotonic() - started:6.0f} s ", *texts, flush=True)

    rng = random.Random(seed)
    say(f"seed {seed}: {arguments.entities:,} entities of {KINDS} kinds, {arguments.kills} kills")
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cendry-long-run-")))
        for emulator in (DATASTORE_MODE, FIRESTORE):
            process, host = start(emulator, HEAP)
            stack.callback(stop, process)
            stack.enter_context(known(host, emulator))
        client: Any = datastore.Client(project="from")
        fill(client, arguments.entities)
        source = Source(client)
        say("seeded")
        # To ask for its kinds, the emulator's keys are all read, which takes minutes.
        kinds = [f"K{number:02}" for number in range(KINDS)]
        plan = plan_of(source, Place("to"), 2_000, kinds=kinds)
        say(f"planned: {plan.count:,} entities, {len(plan.shards)} shards")

        copies = Copying(plan, directory, "migration")
        kills = killed(copies, plan.count, arguments.kills, rng, say)
        found = copies.finish()
        dead = len(DeadLetters.read(LocalStore(copies.state)))
        again = sent(copies.log) - found["copied"]
        say(f"killed {kills} times: copied {found['copied']:,}, dead {dead}, written again {again:,}")
        with Target(project="to") as target:
            proof = verify(plan, state=copies.state, source=source, target=target)
        say(
            f"source {proof.source:,}, target {proof.target:,}, dead {proof.dead}: missing {proof.missing}, extra "
            f"{proof.extra}, different {proof.different}, changed {proof.changed}"
        )
        ok = proven(proof) and kills == arguments.kills and again <= kills * WORKERS * PAGE
        ok = ok and (proof.source, proof.dead, dead) == (arguments.entities + BAD, BAD, BAD)

        # A fresh database of the same emulator.
        other = plan_of(source, Place("measured"), 2_000, kinds=kinds)
        measured = Copying(other, directory, "measured", measure=True).finish()
        say("another copy, which nothing kills:", shown(measured))
        ok = ok and measured["growth"] < MOST_GROWTH
        with Generated(arguments.generated // KINDS) as made:
            generated = Copying(
                made.plan(KINDS), directory, "generated", measure=True, generated=arguments.generated // KINDS
            ).finish()
        say("a copy from a generated source:", shown(generated))
        ok = ok and generated["growth"] < MOST_GROWTH and generated["peak"] < MOST_MEMORY
        client.close()
    say("ok" if ok else "FAILED")
    return 0 if ok else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entities", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--generated", type=int, default=1_000_000, help="entities of the copy from a generated source")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("--runs", type=int, default=1, help="how many in a row, each on fresh emulators")
    parser.add_argument("--copy", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.copy:
        copying(json.loads(asked.copy.read_text()))
    else:
        sys.exit(max(main(asked, asked.seed + number) for number in range(asked.runs)))
