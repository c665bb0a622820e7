"""A comparison on Apache Beam proves what a comparison in one process proves."""

from __future__ import annotations

import json
import runpy
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from cendry.jobs import LocalStore, find_json, write_json
from cendry_datastore.migrate import KindPlan, Plan, Proof, Shard, Source, Target, copy, verify
from cendry_datastore.migrate.beam import CopyShards, VerifyShards, __main__
from cendry_datastore.migrate.comparing import Range, collections, ranges
from cendry_datastore.migrate.messages import translator_of
from cendry_datastore.migrate.paging import key_bytes
from cendry_datastore.migrate.target import Write
from google.cloud import datastore
from migrate.copies import check_equal, plan_of
from pipelines.conftest import BAD, COUNT
from pipelines.runs import RUNNER, Run

COUNTS = ("source", "target", "missing", "extra", "different", "changed", "dead", "expired")


def counts(proof: Proof) -> dict[str, int]:
    return {name: getattr(proof, name) for name in COUNTS}


def test_a_copy_and_its_proof_are_one_pipeline(seeded: Source, target: Target, plan: Plan, state: Path) -> None:
    run = Run(CopyShards(plan, state=state) | VerifyShards(plan, state=state))
    [proof] = run.values
    assert proof.ok
    assert {**dict.fromkeys(COUNTS, 0), "source": COUNT + BAD, "target": COUNT, "dead": BAD} == counts(proof)
    assert counts(proof) == counts(verify(plan, state=state, source=seeded, target=target))
    # Nothing differed, so each was read once.
    assert 2 * COUNT + BAD == run.counters["compared"]


def test_what_differs_is_named(seeded: Source, target: Target, plan: Plan, state: Path) -> None:
    copy(plan, state=state, source=seeded, target=target)
    translator = translator_of(plan, seeded.partition)
    names = [one.name for page in target.pages("K02") for one in page][:2]
    target.delete(names[:1])
    writes = [Write(), Write()]
    writes[0].update.name = names[1]
    writes[0].update.fields["n"].integer_value = 99
    writes[1].update.name = translator.full_name("K03/more")
    target.commit(writes)

    [proof] = Run(VerifyShards(plan, state=state)).values
    expected = verify(plan, state=state, source=seeded, target=target)
    assert not proof.ok
    assert (1, 1, 1) == (proof.missing, proof.extra, proof.different)
    assert counts(expected) == counts(proof)
    assert sorted(expected.differences, key=lambda one: one.path) == list(proof.differences)
    # The same stands in the file.
    assert 1 == __main__.main([*command(plan, state), "--verify"])
    assert "missing" in (find_json(LocalStore(state), "verify.json") or {})


def command(plan: Plan, state: Path) -> list[str]:
    write_json(LocalStore(state), "plan.json", plan.to_json())
    return [f"{state}/plan.json", f"--runner={RUNNER}"]


def test_the_example_copies_and_compares(
    seeded: Source, target: Target, plan: Plan, state: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_json(LocalStore(state), "plan.json", plan.to_json())
    main = runpy.run_path(str(Path(__file__).parents[2] / "examples" / "migration" / "pipeline.py"))["main"]
    main(str(state), f"--runner={RUNNER}")
    output = capfd.readouterr().out
    assert f"Result(copied={COUNT}, dead={BAD}, " in output
    assert f"Proof(source={COUNT + BAD}, target={COUNT}, missing=0, " in output
    assert COUNT == check_equal(plan, seeded, target)


def test_the_command_compares(
    seeded: Source, target: Target, plan: Plan, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy(plan, state=state, source=seeded, target=target)
    assert 0 == __main__.main([*command(plan, state), "--verify"])
    found = json.loads(capsys.readouterr().out)
    assert (True, COUNT) == (found["ok"], found["target"])


def test_the_parts_of_the_target_are_all_of_it(seeded: Source, target: Target, plan: Plan, state: Path) -> None:
    copy(plan, state=state, source=seeded, target=target)
    translator = translator_of(plan, seeded.partition)
    parts = ranges(plan, translator)
    assert len(plan.shards) == len(parts)
    for whole in collections(plan, translator):
        expected = [one.name for page in target.pages(whole.collection) for one in page]
        found = [
            one.name
            for part in parts
            if part.collection == whole.collection
            for page in target.pages(part.collection, after=part.after, end=part.end)
            for one in page
        ]
        assert expected == found


def test_names_that_are_escaped_cut_the_target_in_its_own_order(plan: Plan, seeded: Source) -> None:
    def end(*path: str | int) -> bytes:
        return key_bytes(datastore.Key(*path, project=seeded.place.project).to_protobuf()._pb)

    cuts = [b"", end("A", 9), end("A", 10), end("A", "b"), end("A", "z/z"), b""]
    shards = tuple(Shard("A", number, *bounds) for number, bounds in enumerate(pairwise(cuts)))
    kinds = (KindPlan("A", "A", 5, shards, True), KindPlan("B", "B", 0, (Shard("B", 5),), True))
    root = f"{plan.target.name}/documents/A"
    names = ["", *(f"{root}/{one}" for one in ("__id9__", "__id10__", "__escz~1z__", "b")), ""]
    expected = [*(Range("A", *bounds) for bounds in pairwise(names)), Range("B")]
    assert expected == ranges(replace(plan, kinds=kinds), translator_of(plan, seeded.partition))


def test_a_plan_without_entities_is_proven(plan: Plan, state: Path) -> None:
    empty = replace(plan, kinds=())
    [proof] = Run(VerifyShards(empty, state=state)).values
    assert proof.ok
    assert dict.fromkeys(COUNTS, 0) == counts(proof)


def test_the_state_of_another_plan_is_refused(seeded: Source, target: Target, plan: Plan, state: Path) -> None:
    write_json(LocalStore(state), "plan.json", plan_of(seeded, target.place, 100).to_json())
    with pytest.raises(RuntimeError, match=r"plan.json belongs to plan .*: use a fresh directory"):
        Run(VerifyShards(plan, state=state))
