"""Pipelines of the tests: on Beam's own runner, in this process or in another one."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import uuid
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.runner import PipelineResult, PipelineRunner, PipelineState

RUNNER = "FnApiRunner"
"""What `DirectRunner` becomes in the end; before, it would download another runner, and try that."""


class Run:
    """A pipeline that has ended.

    Args:
        transform: Its steps.
        options: Options of the pipeline.
        runner: The runner.

    Attributes:
        values: What it gave.
        counters: Its counters.
    """

    def __init__(self, transform: Any, *options: str, runner: str = RUNNER) -> None:
        with TemporaryDirectory() as kept:
            pipeline = beam.Pipeline(runner, options=PipelineOptions(list(options)))
            pipeline | transform | "Keep" >> beam.Map(_keep, kept)
            ended = pipeline.run()
            ended.wait_until_finish()
            self.values = [pickle.loads(path.read_bytes()) for path in Path(kept).iterdir()]
        self.counters = {one.key.metric.name: one.committed for one in ended.metrics().query()["counters"]}


class Cancelled(PipelineRunner):  # type: ignore[misc]
    """A runner whose pipelines are cancelled before they begin."""

    def run_pipeline(self, pipeline: Any, options: Any) -> Any:
        return PipelineResult(PipelineState.CANCELLED)


def _keep(value: Any, directory: str) -> None:
    Path(directory, uuid.uuid4().hex).write_bytes(pickle.dumps(value))


def start(
    plan: Any, state: Path, *arguments: str, script: tuple[str, ...], **environment: str
) -> subprocess.Popen[str]:
    """Start the command in a process of its own."""
    path = state / "plan.json"
    if not path.exists():
        state.mkdir(exist_ok=True)
        path.write_text(json.dumps(plan.to_json()))
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "PYTHONWARNINGS": "ignore",
        **environment,
    }
    return subprocess.Popen(
        [sys.executable, *script, str(path), f"--runner={RUNNER}", *arguments],
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
