"""The import arrows of pyproject.toml's contracts hold, and core runs where there is no Google package."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = [str(path) for path in sorted(ROOT.glob("packages/*/src"))]

BLOCK_GOOGLE = """
    import sys

    backends = ["cendry_datastore", "cendry_firestore", "cendry_memory"]
    sys.modules.update(dict.fromkeys(["google", "grpc", "proto", *backends]))
"""


def run_python(code: str) -> str:
    """What a fresh interpreter prints for this code, which must succeed."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(SOURCES)}
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert 0 == answer.returncode, answer.stderr
    return answer.stdout.strip()


def test_imports_point_one_way() -> None:
    # In a process of its own: it switches off the loggers of whoever calls it.
    code = """
import sys
from importlinter.cli import lint_imports
sys.exit(lint_imports(config_filename="pyproject.toml", no_cache=True))
"""
    answer = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(SOURCES)},
        check=False,
    )
    assert 0 == answer.returncode, answer.stdout


def test_importing_cendry_imports_no_google_module() -> None:
    code = (
        "import cendry, sys; print([name for name in sys.modules if name.split('.')[0] in ('google', 'grpc', 'proto')])"
    )
    assert "[]" == run_python(code)


def test_models_work_without_any_google_package() -> None:
    code = textwrap.dedent(BLOCK_GOOGLE) + textwrap.dedent("""
        from cendry import Field, GeoPoint, Map, Model, Query, Ref, field, from_dict, to_dict, validate

        class Mayor(Map):
            name: Field[str]

        class City(Model, collection="cities"):
            name: Field[str]
            place: Field[GeoPoint | None] = field(default=None)
            mayor: Field[Mayor | None] = field(default=None)
            twin: Field[Ref["City"] | None] = field(default=None)

        city = City(name="Rome", place=GeoPoint(41.9, 12.5), mayor=Mayor(name="x"))
        assert from_dict(City, to_dict(city)) == city
        assert len(validate(City, {"name": 1})) == 1
        print(Query(City, City.mayor[Mayor.name] == "x", limit=1))
    """)
    assert "Query(City, City.mayor[Mayor.name] == 'x', limit=1)" == run_python(code)


def test_a_name_of_an_absent_backend_names_the_extra_to_install() -> None:
    code = textwrap.dedent(BLOCK_GOOGLE) + textwrap.dedent("""
        try:
            from cendry import FirestoreBackend
        except ImportError as error:
            print(error)
    """)
    assert "cendry[firestore]" in run_python(code)


def test_absent_names_are_not_listed() -> None:
    code = (
        textwrap.dedent(BLOCK_GOOGLE)
        + "import cendry; print('FirestoreBackend' in dir(cendry), 'Cendry' in dir(cendry))"
    )
    assert "False True" == run_python(code)


def test_the_bridge_imports_no_firestore_package() -> None:
    code = "import cendry_datastore, sys; print([name for name in sys.modules if 'firestore' in name])"
    assert "[]" == run_python(code)


def test_a_context_loads_what_most_programs_never_use_at_its_first_use() -> None:
    code = textwrap.dedent("""
        import sys
        from cendry import Cendry, Field, Map, Model

        class Mayor(Map):
            name: Field[str]

        class City(Model, collection="cities"):
            mayor: Field[Mayor | None]

        late = ["_context.bulk", "_context.feeds", "_context.live", "_context.watch", "_context.workers",
                "_query.nearest", "_query.snapshots", "_types.json_forms", "_types.unions", "codec.json_emit", "jobs"]
        print([name for name in late if f"cendry.{name}" in sys.modules])

        import cendry
        all(getattr(cendry, name) for name in ("Bulk", "Snapshots", "Neighbor", "BulkResult"))
    """)
    assert "[]" == run_python(code)
