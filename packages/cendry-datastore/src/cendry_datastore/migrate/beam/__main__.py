"""The command `python -m cendry_datastore.migrate.beam PLAN`: the copy of a plan, or the comparison, as a pipeline."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

import apache_beam as beam
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.runner import PipelineState
from cendry._command.starting import open_closed_streams
from cendry.errors import CendryError, near_names
from cendry.jobs import find_json

from ..files import COPY_FILE
from ..reports import VERIFY_FILE
from ..values import Plan
from . import CopyShards, VerifyShards, open_store

FINE, UNEQUAL, WRONG, FAILED = 0, 1, 2, 4
_GO_ON = "What it has done is kept: run the same command to go on."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the pipeline that the command line describes; give the exit code."""
    open_closed_streams()
    parser = argparse.ArgumentParser(
        prog="python -m cendry_datastore.migrate.beam",
        allow_abbrev=False,
        description="Copies the entities of a plan to Firestore in Native mode, or compares both sides, as a pipeline "
        "of Apache Beam. All options that are not named here are the pipeline's: --runner, --project, --region, ... "
        "What follows -- is passed to the runner unchecked.",
    )
    parser.add_argument("plan", metavar="PLAN", help="plan.json, also as gs://bucket/folder/plan.json")
    parser.add_argument("--state", help="the folder of the state; by default that of the plan")
    parser.add_argument("--verify", action="store_true", help="compare both sides instead of copying")
    parser.add_argument("--workers", type=int, default=1, help="processes that the runner may start, at most")
    parser.add_argument("--rate", type=float, help="documents per second of all workers together, at most")
    parser.add_argument("--page", type=int, default=500, help="entities that are read and written together")
    for flag, meaning in (
        ("--into-existing", "the target may have documents already"),
        ("--take-over", "take the lock from another copy, which must not run any more"),
        ("--allow-mixed", "one of both sides may be an emulator"),
        ("--assume-modes", "the modes of both sides are right if Google Cloud doesn't say"),
    ):
        parser.add_argument(flag, action="store_true", help=meaning)
    words = list(sys.argv[1:] if arguments is None else arguments)
    end = words.index("--") if "--" in words else len(words)
    given, others = parser.parse_known_args(words[:end])
    options = PipelineOptions([*others, *words[end + 1 :]])
    own = [name.replace("_", "-") for name in vars(given)]
    try:
        # Imports the runner, which may have options of its own.
        pipeline = beam.Pipeline(options=options)
    except (AttributeError, ImportError, ValueError) as error:
        parser.error(_mistake(others, own) or str(error))
    if mistake := _mistake(others, own):
        parser.error(mistake)
    # Where the plan is may need the options, as the steps do.
    FileSystems.set_options(options)
    folder, _, name = given.plan.rpartition("/")
    try:
        content = open_store(folder or ".").get(name)
        if content is None:
            parser.error(f"there is no {given.plan}: make a plan first, by `cendry-datastore plan`")
        plan = Plan.from_json(content, given.plan)
        state = given.state or folder or "."
        steps = _steps(plan, state, given)
        store = open_store(state)
    except (CendryError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return WRONG
    pipeline | steps
    try:
        run = pipeline.run()
        ended = run.wait_until_finish() or run.state
        found = find_json(store, VERIFY_FILE if given.verify else COPY_FILE) or {}
    except Exception as error:
        sys.stderr.write(f"{error}\nThe pipeline failed. {_GO_ON}\n")
        return FAILED
    # Runners don't raise if it was cancelled; the file may be that of an earlier run.
    if ended != PipelineState.DONE:
        sys.stderr.write(f"The pipeline ended as {ended}. {_GO_ON}\n")
        return FAILED
    is_fine = found.get("ok") if given.verify else not found.get("dead")
    sys.stdout.write(json.dumps(found) + "\n")
    return FINE if is_fine else UNEQUAL


def _mistake(others: list[str], own: list[str]) -> str:
    """What is wrong with the options of the pipeline: Beam itself passes over those that it doesn't know.

    Args:
        others: Words of the command line that are not options of this command.
        own: The options of this command.
    """
    parsers: list[argparse.ArgumentParser] = []
    known = [*own, *PipelineOptions([]).get_all_options(add_extra_args_fn=parsers.append)]
    _, unknown = parsers[0].parse_known_args(others)
    if not unknown:
        return ""
    first = next((word for word in unknown if word.startswith("-")), unknown[0])
    name = first.partition("=")[0]
    hint = "".join(f" Did you mean --{near}?" for near in near_names(name.lstrip("-"), known, 1))
    return f"{name} is not an option of this command or of Beam.{hint} Options that only a runner knows follow --."


def _steps(plan: Plan, state: str, given: argparse.Namespace) -> Any:
    if given.verify:
        return VerifyShards(plan, state=state)
    return CopyShards(
        plan,
        state=state,
        workers=given.workers,
        rate=given.rate,
        page=given.page,
        into_existing=given.into_existing,
        take_over=given.take_over,
        allow_mixed=given.allow_mixed,
        assume_modes=given.assume_modes,
    )


if __name__ == "__main__":
    sys.exit(main())
