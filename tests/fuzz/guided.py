"""Runs one target with atheris, which prefers examples that reach new lines: `guided.py MODULE.TEST SECONDS`."""

from __future__ import annotations

import sys
from importlib import import_module

import atheris  # type: ignore[import-untyped]


def main(name: str, seconds: int) -> None:
    """Run a target for so many seconds, and exit with 0 if nothing fails."""
    with atheris.instrument_imports(include=["cendry", "cendry_datastore", "cendry_firestore", "cendry_memory"]):
        import_module(f"fuzz.{name.partition('.')[0]}")
    from fuzz.fuzzing import TARGETS

    limits = [f"-max_total_time={seconds}", "-max_len=4096", "-timeout=60", "-rss_limit_mb=4096"]
    atheris.Setup([sys.argv[0], *limits], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
