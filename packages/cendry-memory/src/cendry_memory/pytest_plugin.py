"""pytest fixtures: contexts on memory, and on Google's emulator; and an option that records what queries need.

Loading it imports nothing of Cendry or of Google.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from cendry import AsyncCendry, Cendry

    from ._clock import ManualClock
    from ._recording import IndexRecorder
    from ._sharing import SharedEmulator
    from ._sync import MemoryBackend
    from .emulator import Emulator

pytest.register_assert_rewrite("cendry_memory.testing")

FOLDER_KEY = "cendry_emulator_folder"
"""The key under which pytest-xdist's workers receive the folder of the emulator that they share."""

RECORDING_KEY = "cendry_record_indexes"
"""The key under which pytest-xdist's workers receive the file beside which they record."""

_folder = pytest.StashKey["Path"]()
_emulators = pytest.StashKey["dict[str, SharedEmulator]"]()
_recorder = pytest.StashKey["IndexRecorder"]()
_unwritten = pytest.StashKey[str]()


# --- memory ---


@pytest.fixture
def cendry_clock() -> ManualClock:
    """A clock that stands still until the test moves it; the contexts of a test that asks for it live by it."""
    from ._clock import ManualClock

    return ManualClock()


@pytest.fixture
def cendry_memory_backend(request: pytest.FixtureRequest) -> Iterator[MemoryBackend]:
    """The backend of `cendry_memory`, for its `faults`, `store` and `drain`. Override it to give it arguments."""
    from ._sync import MemoryBackend

    backend = MemoryBackend(clock=_clock(request))
    yield backend
    backend.close()


@pytest.fixture
def cendry_memory(cendry_memory_backend: MemoryBackend, request: pytest.FixtureRequest) -> Iterator[Cendry]:
    """A `Cendry` in process, without any documents."""
    from cendry import Cendry

    with Cendry(backend=cendry_memory_backend, clock=_clock(request)) as ctx:
        yield ctx


@pytest.fixture
def cendry_memory_async(cendry_memory_backend: MemoryBackend, request: pytest.FixtureRequest) -> AsyncCendry:
    """An `AsyncCendry` in process, on the documents of `cendry_memory`."""
    from cendry import AsyncCendry

    from ._aio import AsyncMemoryBackend

    return AsyncCendry(backend=AsyncMemoryBackend(store=cendry_memory_backend.store), clock=_clock(request))


def _clock(request: pytest.FixtureRequest) -> ManualClock | None:
    held = "cendry_clock" in request.fixturenames
    clock: ManualClock | None = request.getfixturevalue("cendry_clock") if held else None
    return clock


# --- Google's emulator ---


@pytest.fixture(scope="session")
def cendry_emulator_host(request: pytest.FixtureRequest) -> Iterator[str]:
    """The `host:port` of Google's Firestore emulator, which runs, and is known to the SDK, for the session.

    The one that `FIRESTORE_EMULATOR_HOST` names is used; else one is started, once for all workers of pytest-xdist.
    Without any, tests are skipped; with `CENDRY_REQUIRE_EMULATORS=1`, they fail.
    """
    from .emulator import EmulatorUnavailableError, host_given, known

    try:
        host = host_given() or _shared_emulator(request.config).host()
    except EmulatorUnavailableError as error:
        _do_without(str(error))
    with known(host):
        yield host


@pytest.fixture(scope="session")
def cendry_datastore_mode_host(request: pytest.FixtureRequest) -> str:
    """The `host:port` of Google's Firestore emulator in Datastore mode, which runs for the session.

    The one that `DATASTORE_EMULATOR_HOST` names is used; else one is started. The SDK does not see it: there are two
    emulators that it could mean.
    """
    from .emulator import DATASTORE_MODE

    return _host_of(request.config, DATASTORE_MODE, "datastore-mode")


@pytest.fixture(scope="session")
def cendry_classic_datastore_host(request: pytest.FixtureRequest) -> str:
    """The `host:port` of Google's older emulator, of Datastore alone, which runs for the session.

    The one that `CENDRY_CLASSIC_DATASTORE_EMULATOR_HOST` names is used; else one is started.
    """
    from .emulator import CLASSIC_DATASTORE

    return _host_of(request.config, CLASSIC_DATASTORE, "classic-datastore")


@pytest.fixture(scope="session")
def cendry_firestore_installed() -> None:
    """Skips tests where `cendry-firestore` is not installed; with `CENDRY_REQUIRE_EMULATORS=1`, they fail."""
    from importlib.util import find_spec

    if find_spec("cendry_firestore") is None:
        _do_without("cendry-firestore is not installed: pip install 'cendry[firestore]'")


@pytest.fixture
def cendry_project() -> str:
    """A project id of this test's own, under which the emulator has no documents."""
    from uuid import uuid4

    return f"cendry-{uuid4().hex[:16]}"


@pytest.fixture
def cendry_emulator(
    cendry_firestore_installed: None, cendry_emulator_host: str, cendry_project: str
) -> Iterator[Cendry]:
    """A `Cendry` on Google's emulator, without any documents."""
    from cendry import Cendry

    with Cendry(project=cendry_project) as ctx:
        yield ctx


@pytest.fixture
def cendry_emulator_async(
    cendry_firestore_installed: None, cendry_emulator_host: str, cendry_project: str
) -> Iterator[AsyncCendry]:
    """An `AsyncCendry` on Google's emulator, on the documents of `cendry_emulator`."""
    import asyncio

    from cendry import AsyncCendry

    ctx = AsyncCendry(project=cendry_project)
    yield ctx
    # Whichever plugin runs the test has ended its event loop by now, or is about to.
    loop = asyncio.new_event_loop()
    loop.run_until_complete(ctx.close())
    loop.close()


def _do_without(reason: str) -> NoReturn:
    from .emulator import REQUIRE_VARIABLE, emulators_required

    if emulators_required():
        pytest.fail(f"{reason} ({REQUIRE_VARIABLE} is set)", pytrace=False)
    pytest.skip(reason)


def _host_of(config: pytest.Config, emulator: Emulator, place: str) -> str:
    from .emulator import EmulatorUnavailableError, host_given

    try:
        return host_given(emulator) or _shared_emulator(config, emulator, place).host()
    except EmulatorUnavailableError as error:
        _do_without(str(error))


def _shared_emulator(config: pytest.Config, emulator: Emulator | None = None, place: str = "") -> SharedEmulator:
    """The emulator that all workers share, in a place of its own in their folder."""
    from pathlib import Path

    from ._sharing import SharedEmulator
    from .emulator import FIRESTORE

    told: str | None = getattr(config, "workerinput", {}).get(FOLDER_KEY)
    folder = (_own_folder(config) if told is None else Path(told)) / place
    folder.mkdir(exist_ok=True)
    shared = config.stash.setdefault(_emulators, {})
    if place not in shared:
        shared[place] = SharedEmulator(folder, owned=told is None, emulator=emulator or FIRESTORE)
    return shared[place]


def _own_folder(config: pytest.Config) -> Path:
    from pathlib import Path
    from tempfile import mkdtemp

    if _folder not in config.stash:
        config.stash[_folder] = Path(mkdtemp(prefix="cendry-"))
    return config.stash[_folder]


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist where word of the emulator is left."""
    node.workerinput[FOLDER_KEY] = str(_own_folder(node.config))
    if _recorder in node.config.stash:
        node.workerinput[RECORDING_KEY] = str(node.config.stash[_recorder].file)


# --- what queries need of indexes ---


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that records what queries need."""
    parser.getgroup("cendry").addoption(
        "--cendry-record-indexes",
        metavar="FILE",
        help="write to FILE what the queries of this run need of Firestore's indexes, for cendry-firestore indexes",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Record queries from now on, if the option says so."""
    worker: dict[str, Any] | None = getattr(config, "workerinput", None)
    option = config.getoption("cendry_record_indexes", None)
    given: str | None = option if worker is None else worker.get(RECORDING_KEY)
    if given is None or config.getoption("collectonly"):
        return
    from ._recording import IndexRecorder

    name = None if worker is None else str(worker["workerid"])
    try:
        config.stash[_recorder] = IndexRecorder(config.invocation_params.dir / given, name)
    except (OSError, ValueError) as error:
        raise pytest.UsageError(f"--cendry-record-indexes: {error}") from error


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write what was recorded, when the workers have ended."""
    if _recorder in session.config.stash:
        try:
            session.config.stash[_recorder].write()
        except OSError as error:
            # The summary of the tests is still to be printed.
            session.config.stash[_unwritten] = str(error)
            session.exitstatus = pytest.ExitCode.INTERNAL_ERROR


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say what was recorded, and where."""
    if _unwritten in config.stash:
        terminalreporter.write_line(f"cendry: nothing was recorded: {config.stash[_unwritten]}", red=True)
    elif _recorder in config.stash:
        recorder: IndexRecorder = config.stash[_recorder]
        count = len(recorder.needs)
        what = "1 query that needs" if count == 1 else f"{count} different queries that need"
        terminalreporter.write_line(f"cendry: recorded {what} indexes, in {recorder.file}")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop recording, and the emulator that was started for this session, by a worker too."""
    if _recorder in config.stash:
        config.stash[_recorder].end()
    if _folder in config.stash:
        from shutil import rmtree

        for place in ("", *(path.name for path in config.stash[_folder].iterdir() if path.is_dir())):
            _shared_emulator(config, place=place).stop()
        rmtree(config.stash[_folder], ignore_errors=True)
