"""Fixtures of all suites, and a closing section that tells which suites did not run, and why."""

from __future__ import annotations

import gc
import importlib.util
import os
import random
import socketserver
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from cendry_memory import pytest_plugin
from cendry_memory.emulator import emulators_required
from hypothesis import HealthCheck, settings

pytest.register_assert_rewrite("core.store_suite")

TESTS = Path(__file__).parent
PROFILE_VARIABLE = "CENDRY_HYPOTHESIS_PROFILE"
LONGEST = ("lockstep", "soak")

SECTION = "section: "
"""How a property of a test begins that is a section of the closing summary."""

# Suites that need tools of their own have an environment of their own: a module to look for, and where it is.
SUITE_NEEDS = {
    "typing": ("mypy", "hatch run types:check"),
    "packaging": ("build", "hatch run dist:check"),
    "pipelines": ("apache_beam", "hatch run beam:test"),
}
absent_suites = pytest.StashKey[dict[str, str]]()

# No deadlines: the first example of a class pays for compiling its codec. `ci` draws the same examples in each run,
# so that a red run is the fault of the change; `deep` draws new ones, from a seed that the header shows.
settings.register_profile("cendry", deadline=None, print_blob=True)
settings.register_profile("ci", settings.get_profile("cendry"), derandomize=True, database=None)
settings.register_profile(
    "deep", settings.get_profile("cendry"), max_examples=3000, suppress_health_check=[HealthCheck.too_slow]
)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    config.stash[absent_suites] = {}
    if not config.pluginmanager.is_registered(pytest_plugin):
        # The package is on the path, but not installed.
        config.pluginmanager.register(pytest_plugin, "cendry")
    if config.getoption("--hypothesis-profile") is None:
        config.option.hypothesis_profile = os.environ.get(PROFILE_VARIABLE, "cendry")
    if config.option.hypothesis_profile == "deep" and config.getoption("--hypothesis-seed") is None:
        config.option.hypothesis_seed = str(random.SystemRandom().randrange(2**32))


# Where there is no xdist, nobody knows of it.
@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    # They wait for emulators half of the time, which keep a processor busy themselves.
    return min(4, (os.cpu_count() or 1) + 1)


def pytest_report_header(config: pytest.Config) -> str:
    seed = config.getoption("--hypothesis-seed")
    drawn = "" if seed is None else f", --hypothesis-seed={seed}"
    return f"cendry: emulators {'required' if emulators_required() else 'optional'}{drawn}"


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    if collection_path.parent != TESTS or collection_path.name not in SUITE_NEEDS:
        return None
    module, command = SUITE_NEEDS[collection_path.name]
    if importlib.util.find_spec(module) is not None:
        return None
    asked_for = (config.invocation_params.dir / argument.split("::")[0] for argument in config.args)
    if any(collection_path.is_relative_to(path) for path in asked_for):
        config.stash[absent_suites][collection_path.name] = f"runs in an environment of its own: {command}"
    return True


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # What takes longest begins first, so that no process ends long after the others.
    items.sort(key=lambda item: item.path.parent.name not in LONGEST)


def pytest_collection_finish(session: pytest.Session) -> None:
    # What was collected stays to the end: a test that collects garbage need not walk through all of it.
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def firestore_emulator(cendry_emulator_host: str) -> str:
    """The `host:port` of Google's Firestore emulator, which runs, and is known to the SDK, for the session."""
    return cendry_emulator_host


@pytest.fixture
def project(cendry_project: str) -> str:
    """A project id of this test's own, so that it finds the emulator empty and needs no reset."""
    return cendry_project


@pytest.fixture
def closing_host() -> Iterator[str]:
    """The `host:port` of a server that closes each connection at once, so that calls fail and may be repeated."""
    with socketserver.TCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Callable[[str, Iterable[str]], None]:
    """Shows lines under a title at the end of the session, from whichever process."""

    def show(title: str, lines: Iterable[str]) -> None:
        request.node.user_properties.append((SECTION + title, list(lines)))

    return show


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for outcome in ("passed", "failed"):
        for each in terminalreporter.stats.get(outcome, ()):
            for name, shown in each.user_properties if each.when == "call" else ():
                if name.startswith(SECTION):
                    terminalreporter.section(name.removeprefix(SECTION))
                    for line in shown:
                        terminalreporter.write_line(line)
    lines = [f"{suite}: {reason}" for suite, reason in sorted(config.stash[absent_suites].items())]
    skipped: Counter[tuple[str, str]] = Counter()
    for report in terminalreporter.stats.get("skipped", ()):
        if isinstance(report.longrepr, tuple):
            skipped[_suite(report.nodeid), str(report.longrepr[2]).removeprefix("Skipped: ")] += 1
    lines += [f"{suite}: {count} skipped: {reason}" for (suite, reason), count in sorted(skipped.items())]
    if lines:
        terminalreporter.section("what did not run, and why")
        for line in lines:
            terminalreporter.write_line(line)


def _suite(nodeid: str) -> str:
    parts = nodeid.split("::")[0].split("/")
    return parts[1] if parts[0] == TESTS.name and len(parts) > 2 else parts[-1]
