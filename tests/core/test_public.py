from __future__ import annotations

import subprocess
import sys
from typing import Any

import cendry
import pytest
from cendry import _lazy

BLOCKED = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {packages!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocker())
{code}
"""


def run(code: str, *packages: str) -> str:
    program = BLOCKED.format(packages=set(packages), code=code)
    return subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    ).stdout.strip()


def test_every_public_name_is_there_and_documented() -> None:
    for name in cendry.__all__:
        assert getattr(cendry, name).__doc__ or name in ("DELETE_FIELD", "SERVER_TIMESTAMP", "FirestoreValue")
    assert len(set(cendry.__all__)) == len(cendry.__all__)
    assert cendry.Txn is cendry.Transaction
    assert cendry.AsyncTxn is cendry.AsyncTransaction


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'cendry' has no attribute 'Citty'"):
        cendry.Citty  # type: ignore[attr-defined]  # noqa: B018
    assert not hasattr(cendry, "Citty")


def test_importing_core_loads_nothing_that_is_not_used() -> None:
    shared = "[name for name in sys.modules if name.startswith('cendry.')]"
    assert "['cendry._lazy']" == run(f"import cendry; print({shared})")
    found = run(f"from cendry import Model, Field, field; print({shared})")
    assert "cendry._model.model" in found
    assert "cendry._context" not in found
    assert "cendry._query.sync.query" not in found


def test_modules_and_functions_of_core_are_there_without_an_import_of_their_own() -> None:
    code = "import cendry; print(cendry.errors.__name__, cendry.field.__module__, cendry.plan.__name__)"
    assert "cendry.errors cendry._model.fields cendry.plan" == run(code)
    # Of a module that is loaded already, nobody asks the package.
    assert cendry.__getattr__("errors") is sys.modules["cendry.errors"]


def test_lazy_names_are_loaded_when_they_are_used() -> None:
    from cendry import AsyncFirestoreBackend, FieldFilter, FirestoreBackend

    assert (FirestoreBackend.__name__, AsyncFirestoreBackend.__name__, FieldFilter.__name__) == (
        "FirestoreBackend",
        "AsyncFirestoreBackend",
        "FieldFilter",
    )
    assert {"FirestoreBackend", "AsyncFirestoreBackend", "FieldFilter"} < set(dir(cendry))


def test_importing_core_imports_no_backend_and_no_google_package() -> None:
    found = run(
        "import cendry; print([name for name in sys.modules if name.startswith(('google', 'cendry_', 'grpc'))])"
    )
    assert found == "[]"


def test_a_star_imports_no_backend_and_no_google_package() -> None:
    code = """
import sys
from cendry import *
print(Cendry.__name__, Model.__name__, 'FirestoreBackend' in globals())
print([name for name in sys.modules if name.startswith(('google', 'cendry_', 'grpc', 'proto'))])
"""
    assert run(code).splitlines() == ["Cendry Model False", "[]"]


def test_core_works_without_any_backend() -> None:
    code = """
import cendry
assert not {'FirestoreBackend', 'FieldFilter', 'MemoryBackend'} & (set(dir(cendry)) | set(cendry.__all__))
from cendry import *
for name in ('FirestoreBackend', 'AsyncFirestoreBackend', 'FieldFilter', 'DatastoreBackend', 'MemoryBackend'):
    try:
        getattr(cendry, name)
    except ImportError as error:
        print(error)
try:
    from cendry import FirestoreBackend
except ImportError as error:
    print(type(error).__name__, error.name)
"""
    assert run(code, "cendry_firestore", "cendry_datastore", "cendry_memory").splitlines() == [
        "FirestoreBackend is in the package 'cendry_firestore', which is not installed. "
        "Install it with: pip install 'cendry[firestore]'",
        "AsyncFirestoreBackend is in the package 'cendry_firestore', which is not installed. "
        "Install it with: pip install 'cendry[firestore]'",
        "FieldFilter is in the package 'cendry_firestore', which is not installed. "
        "Install it with: pip install 'cendry[firestore]'",
        "DatastoreBackend is in the package 'cendry_datastore', which is not installed. "
        "Install it with: pip install 'cendry[datastore]'",
        "MemoryBackend is in the package 'cendry_memory', which is not installed. "
        "Install it with: pip install 'cendry[memory]'",
        "ImportError cendry_firestore",
    ]


def test_a_backend_that_lacks_something_of_its_own_says_so_itself() -> None:
    code = """
import cendry
try:
    cendry.FirestoreBackend
except ModuleNotFoundError as error:
    print(error)
"""
    assert run(code, "google", "grpc") in ("No module named 'google'", "No module named 'grpc'")


def test_only_a_missing_backend_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(package: str) -> Any:
        raise ModuleNotFoundError("No module named 'grpc'", name="grpc")

    monkeypatch.setattr(_lazy, "import_module", missing)
    with pytest.raises(ModuleNotFoundError, match="No module named 'grpc'"):
        _lazy.load("FirestoreBackend")


def test_installed_looks_before_it_imports(monkeypatch: pytest.MonkeyPatch) -> None:
    def installed(name: str, module: Any) -> bool:
        monkeypatch.setitem(sys.modules, "cendry_memory", module)
        return name in _lazy.installed()

    assert installed("MemoryBackend", sys)
    assert not installed("MemoryBackend", None)
    monkeypatch.delitem(sys.modules, "cendry_memory")
    monkeypatch.setattr(_lazy, "find_spec", lambda name: None)
    assert "MemoryBackend" not in _lazy.installed()
    monkeypatch.setattr(_lazy, "find_spec", lambda name: sys)
    assert "MemoryBackend" in _lazy.installed()

    def blocked(name: str) -> Any:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(_lazy, "find_spec", blocked)
    assert "MemoryBackend" not in _lazy.installed()
