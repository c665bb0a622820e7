"""How much memory streaming takes: the same, however many documents there are; and that lists take no more.

Each reading is a process of its own, whose peak is asked of the kernel: messages that gRPC and protobuf hold are no
Python objects.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from cendry import Field, FirestoreBackend, Model
from cendry.plan import Set
from figures import Figures

FEW, MANY = 10_000, 100_000
BUDGET = 1.1
LIST_BUDGET = 1.3


class Place(Model, collection="places"):
    name: Field[str]
    number: Field[int]


READ = """
import sys
from cendry import Cendry
from test_firestore_memory import Place

project, limit = sys.argv[1], int(sys.argv[2])
with Cendry(project=project) as ctx:
    assert limit == sum(1 for place in ctx.select(Place, limit=limit) if place.name)
"""

READ_ASYNC = """
import asyncio, sys
from cendry import AsyncCendry
from test_firestore_memory import Place

project, limit = sys.argv[1], int(sys.argv[2])

async def read():
    async with AsyncCendry(project=project) as ctx:
        assert limit == len([None async for place in ctx.select(Place, limit=limit) if place.name])

asyncio.run(read())
"""

# What the figure looks like if a reading does keep its documents.
KEEP = READ.replace(
    "sum(1 for place in ctx.select(Place, limit=limit) if place.name)", "len([*ctx.select(Place, limit=limit)])"
)

TO_LIST = KEEP.replace("[*ctx.select(Place, limit=limit)]", "ctx.select(Place, limit=limit).to_list()")

GET_MANY = KEEP.replace(
    "[*ctx.select(Place, limit=limit)]", 'ctx.get_many(Place, [f"p{number:06}" for number in range(limit)])'
)

# Not `ru_maxrss`, which a process has from the one that started it.
PEAK = """
print(*[line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM:")])
"""


@pytest.fixture(scope="module")
def filled(project: str) -> str:
    backend = FirestoreBackend(project=project)
    for start in range(0, MANY, 500):
        numbers = range(start, start + 500)
        backend.commit(
            [Set(f"places/p{number:06}", {"name": f"place {number}", "number": number}) for number in numbers]
        )
    backend.close()
    return project


def peak(code: str, project: str, limit: int) -> float:
    """The most memory that a process took, in MB."""
    done = subprocess.run(
        [sys.executable, "-c", code + PEAK, project, str(limit)],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert re.fullmatch(r"\d+\n", done.stdout), done.stderr
    return int(done.stdout) / 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peaks are asked of Linux")
@pytest.mark.parametrize(
    ("how", "code", "budget"),
    [
        ("through ctx.select", READ, BUDGET),
        ("through the async ctx.select", READ_ASYNC, BUDGET),
        ("kept in a list, for scale", KEEP, None),
    ],
)
def test_streaming_takes_the_same_memory(
    how: str, code: str, budget: float | None, filled: str, figures: Figures
) -> None:
    few, many = (peak(code, filled, limit) for limit in (FEW, MANY))
    figures(
        f"peak memory of {MANY:,} documents {how} / of {FEW:,}",
        many / few,
        budget=budget,
        detail=f"{many:.1f} MB and {few:.1f} MB, the whole process",
    )


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peaks are asked of Linux")
@pytest.mark.parametrize(("how", "code"), [("to_list()", TO_LIST), ("get_many()", GET_MANY)])
def test_lists_hold_no_messages(how: str, code: str, filled: str, figures: Figures) -> None:
    ours, iterated = (peak(each, filled, MANY) for each in (code, KEEP))
    figures(
        f"peak memory of {MANY:,} documents by {how} / by list(query)",
        ours / iterated,
        budget=LIST_BUDGET,
        detail=f"{ours:.1f} MB and {iterated:.1f} MB, the whole process",
    )
