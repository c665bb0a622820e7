"""Infer: the source of models that read what is stored."""

from __future__ import annotations

import itertools
import sys
import types
from collections.abc import Iterator
from typing import Any

import pytest
from cendry import Cendry, Model
from cendry.errors import JobError, JobStoppedError
from cendry.jobs import Progress, Stop
from cendry.plan import Set
from cendry_firestore.tools import drift, infer
from cendry_firestore.tools.infer import singular
from cendry_memory import MemoryBackend
from firestore.filling import NASTY

modules = itertools.count()


def database(collection: str, documents: list[dict[str, Any]]) -> MemoryBackend:
    memory = MemoryBackend()
    memory.commit([Set(f"{collection}/{number}", data) for number, data in enumerate(documents)])
    return memory


@pytest.fixture
def classes_in() -> Iterator[Any]:
    """The models that the source of a module defines."""
    made: list[str] = []

    def load(source: str) -> list[type[Model]]:
        module = types.ModuleType(f"inferred_by_tools_{next(modules)}")
        made.append(module.__name__)
        sys.modules[module.__name__] = module
        exec(compile(source, f"<{module.__name__}>", "exec"), vars(module))
        return [
            each
            for each in vars(module).values()
            if isinstance(each, type) and issubclass(each, Model) and each is not Model
        ]

    yield load
    for name in made:
        del sys.modules[name]


def test_the_model_of_nasty_documents_reads_them(classes_in: Any) -> None:
    memory = database("nasty things", NASTY)
    source = infer(memory, "nasty things")
    [model] = classes_in(source)
    report = drift(memory, model)
    assert () == report.models[0].misfits, source
    assert report.models[0].fits == len(NASTY)


def test_one_module_for_several_collections(classes_in: Any) -> None:
    memory = database("cities", [{"name": "Rome", "place": {"x": 1}}])
    memory.commit([Set("City/a", {"name": 1, "place": {"x": "x"}})])
    source = infer(Cendry(backend=memory), "cities", "City", "cities")
    one, two = classes_in(source)
    assert ("City", "cities", "City2", "City") == (one.__name__, one.__collection__, two.__name__, two.__collection__)
    assert drift(memory, [one, two]).ok


def test_versions_parents_and_progress() -> None:
    memory = database("cities", [{"n": 1, "_cendry_version": 2}, {"n": 1}])
    memory.commit([Set("countries/it/cities/a", {"n": 1}), Set("countries/it/parts/a", {"n": 1})])
    seen: list[Progress] = []
    source = infer(memory, "cities", on_progress=seen.append)
    notes = "    # inferred from 2 documents\n    # _cendry_version is 2: declare version=, with its upgrades\n"
    assert notes in source
    assert "_cendry_version" not in source.replace("# _cendry_version is 2", "")
    assert ("infer", 2, 2) == (seen[-1].phase, seen[-1].done, seen[-1].total)
    assert "# some of them are below documents of 'countries': declare parent=" in infer(memory, "cities", group=True)
    assert "# inferred from 1 document\n    # each of them is below documents of 'countries'" in infer(
        memory, "parts", group=True
    )
    assert "# inferred from 1 document\n" in infer(memory, "cities", sample=1)


def test_many_places_are_not_looked_into(monkeypatch: pytest.MonkeyPatch, classes_in: Any) -> None:
    monkeypatch.setattr("cendry._scan.histogram.Room.__init__.__defaults__", (6,))
    documents: list[dict[str, Any]] = [
        {"a": {"b": {"c": 1, "d": "x"}}, "e": [[1]][0], "f": [{"g": 1}]},
        {"a": {"b": {"h": [{"x": 1}]}, "i": 1}, "f": ["x"]},
    ]
    memory = database("cities", documents)
    source = infer(memory, "cities")
    assert "dict[str, Any]" in source
    [model] = classes_in(source)
    assert drift(memory, model).ok


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ([], {}, TypeError, r"^infer\(\) takes the ids of collections, and there are none\.$"),
        ([3], {}, TypeError, r"^infer\(\) takes the ids of collections, not 3\.$"),
        ([["cities"]], {}, TypeError, r"^infer\(\) takes the ids of collections, not \['cities'\]\.$"),
        (["a/b"], {}, ValueError, "'a/b'"),
        (["cities"], {"sample": 0}, ValueError, "from 1, not 0"),
        (["cities"], {"group": 1}, TypeError, "group= takes True, False or None, not 1"),
        (["towns"], {}, JobError, r"^There are no documents in the collection 'towns' of the one in memory: there"),
        (["towns"], {"group": True}, JobError, r"nothing to infer from\.$"),
    ],
)
def test_wrong_arguments(arguments: Any, options: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        infer(database("cities", [{"n": 1}]), *arguments, **options)


def test_a_stop() -> None:
    stop = Stop()
    stop.request()
    with pytest.raises(JobStoppedError, match="infer"):
        infer(database("cities", [{"n": 1}]), "cities", stop=stop)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cities", "city"),
        ("users", "user"),
        ("Boxes", "Box"),
        ("addresses", "address"),
        ("branches", "branch"),
        ("dishes", "dish"),
        ("status", "status"),
        ("news", "news"),
        ("series", "series"),
        ("glass", "glass"),
        ("analysis", "analysis"),
        ("person", "person"),
        ("s", "s"),
    ],
)
def test_singular(name: str, expected: str) -> None:
    assert expected == singular(name)
