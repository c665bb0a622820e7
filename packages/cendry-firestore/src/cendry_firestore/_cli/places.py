"""The database of a command."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from .._sync import FirestoreBackend


class Place:
    """The database of a command.

    Attributes:
        emulator: The host and port of the emulator that it is on, once it is open, or `None`.

    Args:
        project: The project; `None` for that of the environment.
        database: The database; `None` for the default one.
    """

    def __init__(self, project: str | None, database: str | None) -> None:
        self._project = project
        self._database = database
        self.emulator: str | None = None

    def __str__(self) -> str:
        return f"{self._project}/{self._database or '(default)'}" if self._project else ""

    @contextmanager
    def open(self) -> Generator[FirestoreBackend, None, None]:
        """Open the database; it is closed in the end.

        Raises:
            OSError: No project is named anywhere.
            CendryError: The emulator can't be reached.
        """
        backend = FirestoreBackend(project=self._project, database=self._database)
        try:
            _, self._project, _, self._database = backend.database.split("/")
            self.emulator = backend.client._emulator_host
            yield backend
        finally:
            backend.close()
