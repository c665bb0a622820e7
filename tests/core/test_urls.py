"""Contexts on the database that a URL names."""

from __future__ import annotations

import gc
import os
import pickle
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from cendry import (
    AsyncCendry,
    Cendry,
    CendryError,
    Field,
    InvalidDocumentIdError,
    InvalidUrlError,
    Model,
    TypeRegistry,
    UnsupportedByBackendError,
    field,
)
from cendry._urls import split_url
from cendry_memory._opening import _file_path


class City(Model, collection="cities"):
    name: Field[str]
    seen: Field[datetime | None] = field(auto_now=True)


CITY = City(id="SF", name="San Francisco")


def test_memory_is_a_new_database_each_time() -> None:
    with Cendry.from_url("memory:") as one, Cendry.from_url("memory://") as other:
        one.save(City(id="SF", name="San Francisco"))
        assert one.exists(City, "SF")
        assert not other.exists(City, "SF")


async def test_a_name_is_one_database_for_both_twins() -> None:
    with Cendry.from_url("memory:both-twins") as sync, Cendry.from_url("Memory:both-twins") as again:
        async with AsyncCendry.from_url("memory:both-twins") as aio, AsyncCendry.from_url("memory:Both-twins") as other:
            await aio.save(City(id="SF", name="San Francisco"))
            assert "San Francisco" == sync.get(City, "SF").name
            assert again.exists(City, "SF")
            assert not await other.exists(City, "SF")


def test_a_named_database_lives_until_the_last_context_is_closed() -> None:
    one, other = Cendry.from_url("memory:last"), Cendry.from_url("memory:last")
    one.save(City(id="SF", name="San Francisco"))
    one.close()
    one.close()
    # It was never used before.
    assert other.exists(City, "SF")
    other.close()
    with Cendry.from_url("memory:last") as new:
        assert not new.exists(City, "SF")
        other.close()
        with Cendry.from_url("memory:last") as beside:
            new.save(City(id="SF", name="San Francisco"))
            assert beside.exists(City, "SF")


def test_a_named_database_ends_with_contexts_that_are_collected() -> None:
    context = Cendry.from_url("memory:collected")
    context.save(City(id="SF", name="San Francisco"))
    del context
    gc.collect()
    with Cendry.from_url("memory:collected") as new:
        assert not new.exists(City, "SF")


async def test_a_file_is_shared_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "an app.db"
    url = f"memory://{path}".replace(" ", "%20")
    async with AsyncCendry.from_url(url) as aio:
        assert not path.exists()
        await aio.save(City(id="SF", name="San Francisco"))
        with Cendry.from_url(url) as sync:
            assert sync.exists(City, "SF")
    assert path.exists()
    with Cendry.from_url(url) as sync:
        assert sync.exists(City, "SF")


def test_the_other_settings_are_keywords() -> None:
    moment = datetime(2026, 1, 1, tzinfo=timezone.utc)
    with Cendry.from_url("memory:", clock=lambda: moment, timeout=3, type_registry=TypeRegistry()) as ctx:
        ctx.save(city := City(id="SF", name="San Francisco"))
        assert moment == city.seen
        assert 3 == ctx._sender.settings.options.timeout
    with pytest.raises(TypeError, match="type_registry= takes a TypeRegistry"):
        Cendry.from_url("memory:settings", type_registry=5)  # type: ignore[arg-type]


@pytest.mark.parametrize("twin", [Cendry, AsyncCendry])
@pytest.mark.parametrize(
    ("url", "project", "database"),
    [
        ("firestore://my-project", "my-project", None),
        ("firestore://my-project/", "my-project", None),
        ("FIRESTORE://my-project/eu", "my-project", "eu"),
        ("firestore://my-project/(default)", "my-project", "(default)"),
        ("firestore://my-project/%28default%29", "my-project", "(default)"),
        ("firestore://example.com:my-project/eu", "example.com:my-project", "eu"),
    ],
)
def test_firestore(twin: Any, url: str, project: str, database: str | None) -> None:
    backend = twin.from_url(url)._sender.holder.backend()
    assert "Firestore" == backend.name
    assert (project, database) == (backend._project, backend._database)


def test_firestore_has_both_twins() -> None:
    sync, aio = Cendry.from_url("firestore://p"), AsyncCendry.from_url("firestore://p")
    assert "FirestoreBackend" == type(sync._sender.holder.backend()).__name__
    assert "AsyncFirestoreBackend" == type(aio._sender.holder.backend()).__name__


@pytest.mark.parametrize(
    ("url", "arguments"),
    [
        ("datastore://p", {"project": "p", "database": None, "namespace": None}),
        ("datastore://p/d?namespace=a%2Db", {"project": "p", "database": "d", "namespace": "a-b"}),
        ("datastore://p?name%73pace=a", {"project": "p", "database": None, "namespace": "a"}),
    ],
)
def test_datastore(url: str, arguments: dict[str, str | None]) -> None:
    backend: Any = Cendry.from_url(url)._sender.holder.backend()
    assert "Datastore" == backend.name
    assert arguments == backend._arguments


def test_datastore_has_no_async_twin() -> None:
    with pytest.raises(UnsupportedByBackendError, match="Datastore does not support the async twin"):
        AsyncCendry.from_url("datastore://p/d")
    with pytest.raises(InvalidUrlError):
        AsyncCendry.from_url("datastore://")


@pytest.mark.parametrize("twin", [Cendry, AsyncCendry])
@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "it is empty; check the variable that it comes from"),
        (" memory:", "it contains white space or control characters; write %20 for a space"),
        ("memory:\n", "white space"),
        ("memory:///my file.db", "white space"),
        ("memory:a\x00", "control characters"),
        ("memory", "it does not begin with a scheme, as memory: does"),
        (":memory:", "it does not begin with a scheme"),
        ("/path/app.db", "it does not begin with a scheme"),
        ("sqlite:///app.db", "sqlite: is not a known scheme; there are datastore:, firestore:, memory:"),
        ("C:/data/app.db", "c: is not a known scheme"),
        (r"C:\data\app.db", "backslash; separate folders by /, on Windows too"),
        (r"memory:///C:\data\app.db", "backslash"),
        ("memory:#a", "fragment, which means nothing here; write %23 for a #"),
        ("memory:a/b", "'a/b' is not the name of a store: letters, digits, _ and -"),
        ("memory:app.db", "A file is named by memory:/// and its absolute path"),
        ("memory:/app.db", "A file is named by memory:/// and its absolute path"),
        ("memory:a%20b", "is not the name of a store"),
        ("memory://app", "the name of a store has no slashes before it"),
        ("memory://folder/app.db", "the path of a file three"),
        ("memory:///", "the path of a file three"),
        ("memory:///./app.db", "the path of a file is absolute"),
        ("memory:///a/%2e%2e/app.db", "the path of a file is absolute"),
        ("memory:////app.db", "the path of a file is absolute"),
        ("memory:///folder/", "the path of a file is absolute"),
        ("memory:///a%2fb", "it has an encoded slash in its path"),
        ("memory:///a%5Cb", "it has an encoded slash in its path"),
        ("memory:///%zz", "a % in it is not followed by two hexadecimal digits; write %25 for a %"),
        ("memory:///%ff", "what is encoded in it is not UTF-8"),
        ("memory:///a%00", "it contains NUL"),
        ("memory:?strict=1", "its query has a key 'strict'; memory: URLs have none. Other settings are keywords"),
        ("memory:?", "its query has an empty key"),
        ("firestore:", "the form is firestore://PROJECT/DATABASE"),
        ("firestore:p/d", "the form is firestore://PROJECT/DATABASE"),
        ("firestore://", "it names no project"),
        ("firestore:///d", "it names no project"),
        ("firestore://my%2Dproject", "is not the id of a project"),
        ("firestore://localhost:8080/p", "An emulator's host and port are set by FIRESTORE_EMULATOR_HOST"),
        ("firestore://p/d/e", "'d/e' is not the id of a database"),
        ("firestore://p//", "'/' is not the id of a database"),
        ("firestore://p?database=d", "its query has a key 'database'; firestore: URLs have none"),
        ("datastore://p?namespace=", "namespace is empty; give it a value, or leave it out"),
        ("datastore://p?namespace=a&namespace=b", "its query has the key 'namespace' twice"),
        ("datastore://p?name=a", "its query has a key 'name'; it can have namespace"),
        ("datastore://localhost:8081", "set by DATASTORE_EMULATOR_HOST"),
    ],
)
def test_a_bad_url_is_refused(twin: Any, url: str, reason: str) -> None:
    with pytest.raises(InvalidUrlError) as caught:
        twin.from_url(url)
    assert reason in caught.value.reason
    assert f"{caught.value.url!r} is not the URL of a database: {caught.value.reason}." == str(caught.value)
    assert isinstance(caught.value, CendryError)
    assert isinstance(caught.value, ValueError)
    assert str(caught.value) == str(pickle.loads(pickle.dumps(caught.value)))


@pytest.mark.parametrize(
    "url",
    [
        "firestore://me:secret@p/d",
        "firestore:me:secret@p/d",
        "postgres://me:se/cret-secret@host/d?password=secret",
        "datastore://p?namespace=secret&namespace=secret",
        "memory://me@secret@x",
    ],
)
def test_errors_show_no_credentials(url: str) -> None:
    with pytest.raises(InvalidUrlError) as caught:
        Cendry.from_url(url)
    assert "secret" not in str(caught.value)


def test_credentials_have_another_place() -> None:
    with pytest.raises(InvalidUrlError, match="GOOGLE_APPLICATION_CREDENTIALS"):
        Cendry.from_url("firestore://me:x@p")


def test_long_urls_are_cut() -> None:
    with pytest.raises(InvalidUrlError) as caught:
        Cendry.from_url("x" * 100_000)
    assert 300 > len(str(caught.value))
    with pytest.raises(InvalidUrlError) as caught:
        Cendry.from_url("x" * 100_000 + ":")
    assert 500 > len(str(caught.value))


@pytest.mark.parametrize("url", [None, b"memory:", 5, Path("/app.db")])
def test_a_url_is_text(url: Any) -> None:
    with pytest.raises(TypeError, match=r"from_url\(\) takes a URL as a str, not"):
        Cendry.from_url(url)


def test_a_text_of_a_class_of_its_own_is_taken_as_what_it_is() -> None:
    class Loud(str):
        def __str__(self) -> str:
            return "loud"

        def partition(self, _: Any) -> Any:
            return "firestore", ":", ""

    with Cendry.from_url(Loud("memory:")) as ctx:
        assert "Memory" == ctx._sender.holder.backend().name


def test_a_namespace_is_checked_before_anything_is_sent() -> None:
    with pytest.raises(InvalidDocumentIdError, match="'a b' is not a valid namespace"):
        Cendry.from_url("datastore://p?namespace=a%20b")
    with pytest.raises(InvalidDocumentIdError, match="is not a valid namespace"):
        Cendry.from_url("datastore://p?namespace=a+b")


@pytest.mark.parametrize(
    ("url", "on_windows", "path"),
    [
        ("memory:///C:/data/app.db", True, "C:/data/app.db"),
        ("memory:///C:/data/app.db", False, "/C:/data/app.db"),
        ("memory:///data/app.db", True, "/data/app.db"),
    ],
)
def test_paths_on_windows_have_a_drive(url: str, on_windows: bool, path: str) -> None:
    assert path == _file_path(split_url(url, ["memory"]), on_windows)


def test_memory_loads_no_google_package() -> None:
    code = (
        "import sys; from cendry import Cendry; Cendry.from_url('memory:x').close(); "
        "print([name for name in sys.modules if name.split('.')[0] in ('google', 'grpc', 'cendry_firestore')])"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert "[]" == answer.stdout.strip()


@pytest.mark.parametrize(
    ("url", "package", "extra"),
    [
        ("memory:", "cendry_memory", "memory"),
        ("firestore://p", "cendry_firestore", "firestore"),
        ("datastore://p", "cendry_datastore", "datastore"),
    ],
)
def test_a_backend_that_is_not_installed_names_its_extra(
    url: str, package: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=rf"which is not installed. Install it with: pip install 'cendry\[{extra}\]'"):
        Cendry.from_url(url)
