"""What `import cendry` and `import cendry_firestore` cost a process, and what the first brings along."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from pathlib import Path

import cendry
import cendry_firestore
import pytest
from figures import Figures

ROUNDS = 15
BUDGET_MS = 50
OVER_THE_SDK_MS = 15


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Bytecode lies in a cache, as it does for an installed package."""
    given = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    given["PYTHONPATH"] = os.pathsep.join(
        str(Path(str(package.__file__)).parents[1]) for package in (cendry, cendry_firestore)
    )
    given["PYTHONPYCACHEPREFIX"] = str(tmp_path_factory.mktemp("bytecode"))
    return given


def cpu_ms(code: str, environment: dict[str, str]) -> float:
    """The CPU time of a whole process."""
    process = subprocess.Popen([sys.executable, "-c", code], env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert 0 == process.returncode
    return 1000 * (usage.ru_utime + usage.ru_stime)


def processes(codes: dict[str, str], environment: dict[str, str]) -> tuple[dict[str, float], dict[str, float]]:
    """The least and the median of each, in turns."""
    found: dict[str, list[float]] = {name: [] for name in codes}
    for round_ in range(ROUNDS + 1):
        for name, code in codes.items():
            took = cpu_ms(code, environment)
            if round_:  # the first one compiles
                found[name].append(took)
    return (
        {name: min(values) for name, values in found.items()},
        {name: statistics.median(values) for name, values in found.items()},
    )


def shown(least: dict[str, float]) -> str:
    return ", ".join(f"{name} {took:.1f} ms" for name, took in least.items())


def test_import_is_quick(environment: dict[str, str], figures: Figures) -> None:
    codes = {
        "nothing": "pass",
        "its part of the standard library": "import dataclasses, decimal, difflib, random, threading, typing, uuid",
        "cendry": "from cendry import AsyncCendry, Cendry, Field, Map, Model, Query, Ref, field, from_dict",
        "models": "from cendry import Field, Map, Model, field",
    }
    least, middle = processes(codes, environment)
    figures(
        "a process that imports models, queries and contexts, less one that does nothing",
        least["cendry"] - least["nothing"],
        unit="ms",
        budget=BUDGET_MS,
        detail=f"{shown(least)}; median {middle['cendry'] - middle['nothing']:.1f} ms",
    )


def test_import_of_the_backend_adds_little_to_that_of_the_sdk(environment: dict[str, str], figures: Figures) -> None:
    codes = {"the SDK": "from google.cloud import firestore", "cendry_firestore": "import cendry_firestore"}
    least, middle = processes(codes, environment)
    figures(
        "a process that imports cendry_firestore, less one that imports the SDK alone",
        least["cendry_firestore"] - least["the SDK"],
        unit="ms",
        budget=OVER_THE_SDK_MS,
        detail=f"{shown(least)}; median {middle['cendry_firestore'] - middle['the SDK']:.1f} ms",
    )


def test_import_of_the_bridge_adds_little_to_that_of_its_sdk(environment: dict[str, str], figures: Figures) -> None:
    codes = {"the SDK": "from google.cloud import datastore", "cendry_datastore": "import cendry_datastore"}
    least, middle = processes(codes, environment)
    figures(
        "a process that imports cendry_datastore, less one that imports its SDK alone",
        least["cendry_datastore"] - least["the SDK"],
        unit="ms",
        budget=25,
        detail=f"{shown(least)}; median {middle['cendry_datastore'] - middle['the SDK']:.1f} ms",
    )


def test_import_brings_no_google_package(environment: dict[str, str]) -> None:
    code = (
        "import sys, cendry; print(sorted(name for name in sys.modules if name.split('.')[0] in "
        "('google', 'grpc', 'proto', 'pydantic', 'attrs', 'msgspec')))"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert "[]\n" == done.stdout
