"""The tasks, the raw SDK at them, and the process that measures a library next to it.

An adapter (`of_*.py`) says how its library does them and is run in an environment of its own, so this file needs the
SDK and nothing else (`timing.py`, one folder up, needs nothing at all). The library and the SDK take turns in one
process, and only their ratios leave it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import traceback
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

from google.cloud.firestore import AsyncClient, Client, GeoPoint
from google.cloud.firestore_v1.base_query import FieldFilter
from timing import Times, medians, medians_async

COMMIT = 500

# `codec_model.DATA`, which is written with Cendry's GeoPoint.
DATA: dict[str, Any] = {
    "displayName": "San Francisco",
    "population": 860_000,
    "area": 121.4,
    "capital": False,
    "founded": datetime(1776, 6, 29, 12, 30, 15, 123456, tzinfo=timezone.utc),
    "seal": b"\x01\x02\x03\x04",
    "regions": ["bay area", "west coast", "california"],
    "mayor": {"name": "Ada", "since": 2018},
    "former": [{"name": "Grace", "since": 2011}, {"name": "Edsger", "since": 2004}, {"name": "Barbara", "since": 1996}],
    "status": "open",
    "place": GeoPoint(37.77, -122.42),
    "budget": "14600000000.25",
    "note": None,
}

# In the order of the table. "{documents}" and the like are filled in.
TASKS = {
    "read": "read {documents:,} by query",
    "read async": "the same, async",
    "get": "get one",
    "get async": "the same, async",
    "save many": "save {saved}",
    "save many async": "the same, async",
    "save": "save one",
    "save async": "the same, async",
    "build": "build a query, up to the message that is sent",
}


@dataclass(frozen=True)
class Setting:
    """What is measured, and how much of it.

    Attributes:
        project: The emulator's project; its collection `cities` holds the documents.
        documents: How many documents there are to read, `c0000` and on.
        saved: How many are saved at once.
        calls: How many single calls make a round.
        queries: How many queries are built in a round.
        rounds: How many rounds are measured, after one that warms up.
    """

    project: str
    documents: int = 5000
    saved: int = 500
    calls: int = 100
    queries: int = 1000
    rounds: int = 9

    def ids(self) -> list[str]:
        """Those that single calls ask for."""
        return [f"c{number % self.documents:04}" for number in range(self.calls)]

    def many(self, of: Callable[[str], Any]) -> Iterator[list[Any]]:
        """What is saved at once: instances with ids of their own for each round, made before anything is measured."""
        return self._rounds(of, "many", self.saved)

    def single(self, of: Callable[[str], Any]) -> Iterator[list[Any]]:
        """What is saved one by one, as `many`."""
        return self._rounds(of, "single", self.calls)

    def _rounds(self, of: Callable[[str], Any], name: str, count: int) -> Iterator[list[Any]]:
        rounds = range(self.rounds + 1)
        return iter([[of(f"{name}-{round_}-{number:04}") for number in range(count)] for round_ in rounds])


@dataclass(frozen=True)
class Doing:
    """How a library does a task.

    Attributes:
        call: Does it once.
        note: What the reader of the table should know.
        saves: One of the documents that it saves, if it does; it is read back and compared.
    """

    call: Callable[[], Any]
    note: str = ""
    saves: str = ""


@dataclass(frozen=True)
class Unable:
    """Why a library doesn't do a task."""

    reason: str


Work = dict[str, "Doing | Unable"]


@dataclass(frozen=True)
class Adapter:
    """A library at the tasks.

    Attributes:
        distribution: Its name on PyPI.
        sync: Says how it does the sync tasks; called in the process that measures.
        aio: As `sync`, for the async tasks; awaited in the loop that measures.
        instead: Which types of the documents it can't hold, and what was used instead.
    """

    distribution: str
    sync: Callable[[Setting], Work]
    aio: Callable[[Setting], Awaitable[Work]]
    instead: tuple[str, ...] = ()


@dataclass
class Row:
    """What became of a task: ratios and the SDK's own times, or a reason why there are none."""

    cpu: float | None = None
    wall: float | None = None
    sdk_cpu_us: float | None = None
    sdk_wall_us: float | None = None
    note: str = ""
    reason: str = ""


@dataclass
class Report:
    """What a process found."""

    distribution: str
    version: str = ""
    sdk: str = ""
    python: str = ""
    instead: list[str] = field(default_factory=list)
    rows: dict[str, Row] = field(default_factory=dict)
    reason: str = ""


# The raw SDK


def fill(setting: Setting) -> None:
    """Write the documents that are read."""
    client = Client(project=setting.project)
    for start in range(0, setting.documents, COMMIT):
        batch = client.batch()
        for number in range(start, min(start + COMMIT, setting.documents)):
            batch.set(client.document(f"cities/c{number:04}"), DATA)
        batch.commit()


def sdk_sync(setting: Setting) -> Work:
    client = Client(project=setting.project)
    cities, written = client.collection("cities"), client.collection("by_sdk")
    many = setting.many(lambda id: (id, dict(DATA)))
    single = setting.single(lambda id: (id, dict(DATA)))

    def read() -> None:
        assert setting.documents == sum(1 for snapshot in cities.stream() if snapshot.to_dict())

    def get() -> None:
        for id in setting.ids():
            assert cities.document(id).get().to_dict()

    def save_many() -> None:
        batch = client.batch()
        for id, data in next(many):
            batch.set(written.document(id), data)
        batch.commit()

    def save() -> None:
        for id, data in next(single):
            written.document(id).set(data)

    def build() -> None:
        for _ in range(setting.queries):
            query = (
                cities.where(filter=FieldFilter("displayName", "==", "San Francisco"))
                .where(filter=FieldFilter("population", ">", 100_000))
                .where(filter=FieldFilter("mayor.name", "==", "Ada"))
                .order_by("population", direction="DESCENDING")
            )
            query._to_protobuf()

    return {
        "read": Doing(read),
        "get": Doing(get),
        "save many": Doing(save_many),
        "save": Doing(save),
        "build": Doing(build),
    }


async def sdk_async(setting: Setting) -> Work:
    client = AsyncClient(project=setting.project)
    cities, written = client.collection("cities"), client.collection("by_sdk_async")
    many = setting.many(lambda id: (id, dict(DATA)))
    single = setting.single(lambda id: (id, dict(DATA)))

    async def read() -> None:
        assert setting.documents == len([None async for snapshot in cities.stream() if snapshot.to_dict()])

    async def get() -> None:
        for id in setting.ids():
            assert (await cities.document(id).get()).to_dict()

    async def save_many() -> None:
        batch = client.batch()
        for id, data in next(many):
            batch.set(written.document(id), data)
        await batch.commit()

    async def save() -> None:
        for id, data in next(single):
            await written.document(id).set(data)

    return {
        "read async": Doing(read),
        "get async": Doing(get),
        "save many async": Doing(save_many),
        "save async": Doing(save),
    }


# Measuring


def measure(adapter: Adapter, setting: Setting) -> Report:
    """Do all tasks, in turns with the SDK."""
    report = Report(
        adapter.distribution,
        version(adapter.distribution),
        version("google-cloud-firestore"),
        platform.python_version(),
        [*adapter.instead],
    )
    theirs, ours = sdk_sync(setting), adapter.sync(setting)
    for task in theirs:
        match ours[task]:
            case Unable(reason):
                report.rows[task] = Row(reason=reason)
            case Doing() as doing:
                sdk = theirs[task].call
                report.rows[task] = _tried(
                    task, doing, setting, lambda doing=doing, sdk=sdk: medians(setting.rounds, ours=doing.call, sdk=sdk)
                )
    asyncio.run(_measure_async(adapter, setting, report))
    return report


async def _measure_async(adapter: Adapter, setting: Setting, report: Report) -> None:
    theirs, ours = await sdk_async(setting), await adapter.aio(setting)
    for task in theirs:
        match ours[task]:
            case Unable(reason):
                report.rows[task] = Row(reason=reason)
            case Doing() as doing:
                try:
                    found = await medians_async(setting.rounds, ours=doing.call, sdk=theirs[task].call)
                except Exception as error:
                    report.rows[task] = _failed(error)
                else:
                    report.rows[task] = _tried(task, doing, setting, lambda found=found: found)


def _tried(task: str, doing: Doing, setting: Setting, measured: Callable[[], dict[str, Times]]) -> Row:
    try:
        found = measured()
        note = "; ".join(part for part in (doing.note, _stored(doing, setting)) if part)
    except Exception as error:
        return _failed(error)
    each = {
        "read": setting.documents,
        "get": setting.calls,
        "save many": setting.saved,
        "save": setting.calls,
        "build": setting.queries,
    }[task.removesuffix(" async")]
    ours, sdk = found["ours"], found["sdk"]
    return Row(ours.cpu / sdk.cpu, ours.wall / sdk.wall, 1e6 * sdk.cpu / each, 1e6 * sdk.wall / each, note)


def _failed(error: Exception) -> Row:
    traceback.print_exception(error)
    return Row(reason=f"failed with {type(error).__name__}: {' '.join(str(error).split())[:200]}")


def _stored(doing: Doing, setting: Setting) -> str:
    """What a document that was saved holds other than the SDK's."""
    if not doing.saves:
        return ""
    stored = Client(project=setting.project).document(doing.saves).get().to_dict()
    if stored is None:
        raise LookupError(f"{doing.saves} was not saved")
    differences = [
        *(f"{name!r} is missing" for name in DATA if name not in stored),
        *(f"{name!r} is {stored[name]!r}" for name in stored if name not in DATA or stored[name] != DATA[name]),
    ]
    return f"stores other documents: {', '.join(differences)}" if differences else ""


def main(adapter: Adapter) -> None:
    """What an adapter's process does: measure, and leave the report as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("setting", help="a Setting as JSON")
    parser.add_argument("report", type=Path, help="where the report goes")
    arguments = parser.parse_args()
    report = measure(adapter, Setting(**json.loads(arguments.setting)))
    arguments.report.write_text(json.dumps(asdict(report)))
