"""Copies a plan and compares both sides, as one pipeline of Apache Beam.

python examples/migration/pipeline.py gs://bucket/migration --runner=DataflowRunner ...
"""

from __future__ import annotations

import sys

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from cendry_datastore.migrate import Plan
from cendry_datastore.migrate.beam import CopyShards, VerifyShards, open_store


def main(state: str, *options: str) -> None:
    plan = Plan.from_json(open_store(state).get("plan.json") or b"")
    with beam.Pipeline(options=PipelineOptions(list(options))) as pipeline:
        copied = pipeline | CopyShards(plan, state=state, workers=16)
        proof = copied | VerifyShards(plan, state=state)
        copied | "Print the result" >> beam.Map(print)
        proof | "Print the proof" >> beam.Map(print)


if __name__ == "__main__":
    main(*sys.argv[1:])
