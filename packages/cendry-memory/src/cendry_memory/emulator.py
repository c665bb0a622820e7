"""Finds Google's Firestore and Datastore emulators, starts and stops them. Knows no pytest, and no Google package.

The emulator comes with the Google Cloud CLI. Java is started directly, not through the `gcloud` wrapper: a wrapper
that is stopped leaves its java behind, holding the port.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

REQUIRE_VARIABLE = "CENDRY_REQUIRE_EMULATORS"
START_SECONDS = 60.0
STOP_SECONDS = 10.0
ANSWER_SECONDS = 2.0
PORT_ATTEMPTS = 5
HEAP = "1g"
"""The most memory of an emulator, as java takes it."""


class EmulatorUnavailableError(Exception):
    """An emulator is not available here; the message names what is missing and how to get it."""


@dataclass(frozen=True)
class Emulator:
    """What there is to know about one of Google's emulators.

    Attributes:
        title: Its name in messages.
        jar: Where the jar lies under the Google Cloud CLI's root.
        jar_variable: The environment variable that names the jar instead.
        main_class: The Java class to start.
        host_variable: The environment variable by which Google's SDK finds the running emulator.
        component: The component of the Google Cloud CLI to install.
        given_variable: The environment variable that names one that runs already; `None` if `host_variable` does.
        before: Arguments before its address.
        after: Arguments after its address.
    """

    title: str
    jar: str
    jar_variable: str
    main_class: str
    host_variable: str
    component: str
    given_variable: str | None = None
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()

    @property
    def given_by(self) -> str:
        """The environment variable that names one that runs already."""
        return self.given_variable or self.host_variable

    @property
    def advice(self) -> str:
        """How to get it."""
        return (
            f"install Java 11 or newer and the Google Cloud CLI, then `gcloud components install {self.component}` "
            f"(or the package google-cloud-cli-{self.component.removeprefix('cloud-')}); or set {self.jar_variable} to "
            f"the emulator's jar, or {self.given_by} to the host:port of one that runs"
        )


FIRESTORE = Emulator(
    title="Firestore emulator",
    jar="platform/cloud-firestore-emulator/cloud-firestore-emulator.jar",
    jar_variable="CENDRY_FIRESTORE_EMULATOR_JAR",
    main_class="com.google.cloud.datastore.emulator.firestore.CloudFirestore",
    host_variable="FIRESTORE_EMULATOR_HOST",
    component="cloud-firestore-emulator",
)

DATASTORE_MODE = Emulator(
    title="Firestore emulator in Datastore mode",
    jar=FIRESTORE.jar,
    jar_variable=FIRESTORE.jar_variable,
    main_class=FIRESTORE.main_class,
    host_variable="DATASTORE_EMULATOR_HOST",
    component=FIRESTORE.component,
    after=("--database-mode=datastore-mode",),
)

# Both answer the same SDK, which knows one variable; so the older one that runs already has a name of its own.
CLASSIC_DATASTORE = Emulator(
    title="classic Datastore emulator",
    jar="platform/cloud-datastore-emulator/CloudDatastore.jar",
    jar_variable="CENDRY_DATASTORE_EMULATOR_JAR",
    main_class="com.google.cloud.datastore.emulator.CloudDatastore",
    host_variable="DATASTORE_EMULATOR_HOST",
    component="cloud-datastore-emulator",
    given_variable="CENDRY_CLASSIC_DATASTORE_EMULATOR_HOST",
    before=("start", "--testing", "--allow_remote_shutdown"),
)


def emulators_required(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the absence of an emulator is a failure rather than a reason to skip."""
    return environ.get(REQUIRE_VARIABLE, "") not in ("", "0")


@contextlib.contextmanager
def running(emulator: Emulator = FIRESTORE, heap: str = HEAP) -> Generator[str, None, None]:
    """Yield the `host:port` of a running emulator, and have the SDK find it meanwhile.

    One that runs already (its host variable is set) is used and left alone; else one is started and stopped again.

    Args:
        emulator: The emulator.
        heap: The most memory of one that is started, as java takes it.

    Raises:
        EmulatorUnavailableError: There is none and none can be started.
    """
    given = host_given(emulator)
    if given is not None:
        yield given
        return
    process, host = start(emulator, heap)
    try:
        with known(host, emulator):
            yield host
    finally:
        stop(process)


def host_given(emulator: Emulator = FIRESTORE) -> str | None:
    """The `host:port` that the emulator's host variable names; `None` if it names none.

    Raises:
        EmulatorUnavailableError: Nothing answers there.
    """
    given = os.environ.get(emulator.given_by)
    if not given:
        return None
    if not answers(given):
        raise EmulatorUnavailableError(
            f"no {emulator.title}: {emulator.given_by} is {given!r}, but nothing answers there"
        )
    return given


@contextlib.contextmanager
def known(host: str, emulator: Emulator = FIRESTORE) -> Generator[None, None, None]:
    """Have the SDK find a running emulator meanwhile."""
    before = os.environ.get(emulator.host_variable)
    os.environ[emulator.host_variable] = host
    try:
        yield
    finally:
        if before is None:
            del os.environ[emulator.host_variable]
        else:
            os.environ[emulator.host_variable] = before


def find_java(emulator: Emulator = FIRESTORE) -> Path:
    """Find java: in `JAVA_HOME`, else on the PATH."""
    home = os.environ.get("JAVA_HOME")
    if home and (java := Path(home, "bin", "java")).exists():
        return java
    found = shutil.which("java")
    if found is None:
        raise EmulatorUnavailableError(f"no {emulator.title}: java is not on the PATH; {emulator.advice}")
    return Path(found)


def find_jar(emulator: Emulator = FIRESTORE) -> Path:
    """Find the emulator's jar: by its environment variable, else in the Google Cloud CLI."""
    given = os.environ.get(emulator.jar_variable)
    if given:
        if not Path(given).is_file():
            raise EmulatorUnavailableError(
                f"no {emulator.title}: {emulator.jar_variable} is {given!r}, which is not a file"
            )
        return Path(given)
    for root in _cloud_cli_roots():
        if (jar := root / emulator.jar).is_file():
            return jar
    raise EmulatorUnavailableError(f"no {emulator.title} in the Google Cloud CLI; {emulator.advice}")


def _cloud_cli_roots() -> Iterator[Path]:
    gcloud = shutil.which("gcloud")
    if gcloud is None:
        return
    yield Path(gcloud).resolve().parent.parent
    # Asking takes a second or two, so only if the executable doesn't lie in the root itself (snap, wrappers).
    answer = subprocess.run(
        [gcloud, "info", "--format=value(installation.sdk_root)"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if answer.returncode == 0 and answer.stdout.strip():
        yield Path(answer.stdout.strip())


def start(emulator: Emulator = FIRESTORE, heap: str = HEAP) -> tuple[subprocess.Popen[bytes], str]:
    """Start an emulator; give its process, to be stopped by `stop`, and its `host:port`.

    Raises:
        EmulatorUnavailableError: It can't be found or doesn't run.
    """
    java, jar = find_java(emulator), find_jar(emulator)
    output = ""
    for _ in range(PORT_ATTEMPTS):
        # Another process may take the free port before java binds it; then java ends and the next port is tried.
        host = f"127.0.0.1:{_free_port()}"
        command = command_of(emulator, java, jar, host, heap)
        with tempfile.TemporaryFile() as log:
            # Its own session, so that Ctrl-C reaches the tests alone and they stop the emulator in order.
            process = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
            )
            if _becomes_ready(process, host):
                return process, host
            stop(process)
            output = _tail(log)
        if "BindException" not in output and "Address already in use" not in output:
            break
    raise EmulatorUnavailableError(f"no {emulator.title}: {java} could not run {jar}; its last output: {output}")


def command_of(emulator: Emulator, java: Path, jar: Path, host: str, heap: str = HEAP) -> list[str]:
    """The command that runs an emulator at a `host:port`."""
    name, _, port = host.rpartition(":")
    # Tests end before the optimizing compiler has paid for itself; without it, the emulator takes half the time.
    options = [f"-Xmx{heap}", "-XX:TieredStopAtLevel=1", "-cp", str(jar)]
    address = [f"--host={name}", f"--port={port}"]
    return [str(java), *options, emulator.main_class, *emulator.before, *address, *emulator.after]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _becomes_ready(process: subprocess.Popen[bytes], host: str) -> bool:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if answers(host):
            return process.poll() is None
        time.sleep(0.05)
    return False


def answers(host: str) -> bool:
    """Whether an emulator runs there."""
    connection = http.client.HTTPConnection(host, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def stop(process: subprocess.Popen[bytes]) -> None:
    """End an emulator that was started here."""
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _tail(log: IO[bytes], characters: int = 600) -> str:
    log.seek(0)
    return log.read().decode(errors="replace").strip()[-characters:] or "(none)"
