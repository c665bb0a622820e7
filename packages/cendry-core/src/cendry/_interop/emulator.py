"""Emulators of Google's databases: the variable that names one, and whether anything listens there."""

from __future__ import annotations

import logging
import os
import re
import socket
from functools import cache
from typing import Final

from ..errors import CendryError

PATIENCE: Final = 3.0
"""Seconds for which an operation tries to reach an emulator that has never been reached; it may be starting."""

_CONNECT_SECONDS: Final = 1.0
_HOST: Final = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^][\s/:@]+):(?P<port>[0-9]{1,5})")
_CREDENTIALS_VARIABLE: Final = "GOOGLE_APPLICATION_CREDENTIALS"


class Emulator:
    """The emulator that a client uses instead of the database.

    Args:
        variable: The environment variable that names it.
        host: What the variable says.
        database_kind: The name of the database in error messages.

    Attributes:
        address: The host and the port.

    Raises:
        CendryError: The variable is not `host:port`.
    """

    __slots__ = ("_database_kind", "_host", "_is_reached", "_reason", "_variable", "address")

    def __init__(self, variable: str, host: str, database_kind: str) -> None:
        self._variable = variable
        self._host = host
        self._database_kind = database_kind
        self._is_reached = False
        self._reason: OSError | None = None
        address = _address(host)
        if address is None:
            raise CendryError(f"{variable} is {host!r}; it must be a host and a port, as in {_suggested(host)!r}.")
        self.address = address

    def is_reached(self) -> bool:
        """Whether it has ever been possible to connect; tries to, if it has not."""
        if not self._is_reached:
            try:
                socket.create_connection(self.address, _CONNECT_SECONDS).close()
            except OSError as error:
                self._reason = error
            else:
                self._is_reached = True
        return self._is_reached

    def unreachable(self) -> CendryError:
        """The error of an operation, after `is_reached`."""
        return CendryError(
            f"Nothing answers at {self._host}, the emulator that {self._variable} names: {self._reason}. "
            f"Start the emulator, or unset the variable to use {self._database_kind} itself."
        )

    def warn_beside_credentials(self, *, has_credentials: bool) -> None:
        """Log a warning, once in a process, if there are credentials for production.

        Args:
            has_credentials: Whether the client has credentials of its own.
        """
        if has_credentials:
            _warn(self._variable, self._host, "the client has credentials of its own")
        elif os.environ.get(_CREDENTIALS_VARIABLE):
            _warn(self._variable, self._host, f"{_CREDENTIALS_VARIABLE} is set")


def _address(host: str) -> tuple[str, int] | None:
    found = _HOST.fullmatch(host)
    if found is None or not 0 < int(found["port"]) < 65536:
        return None
    return found["host"].strip("[]"), int(found["port"])


def _suggested(host: str) -> str:
    bare = host.partition("://")[2] or host
    suggested = bare.partition("/")[0].rpartition("@")[2].strip()
    return "127.0.0.1:8080" if _address(suggested) is None else suggested


def credentials_message(error: BaseException, variable: str) -> str:
    """What google.auth says of credentials that are missing or can't be read, and what to do.

    Args:
        error: Its `DefaultCredentialsError`.
        variable: The environment variable that names an emulator instead of the database.
    """
    # A second argument is the error of a parser.
    reason = error.args[0] if error.args else "There are no credentials."
    return (
        f"{reason} Sign in with `gcloud auth application-default login`, or set {_CREDENTIALS_VARIABLE} to the path of "
        f"a file with credentials. For an emulator, set {variable}."
    )


@cache
def _warn(variable: str, host: str, reason: str) -> None:
    logging.getLogger("cendry").warning(
        "%s is set, so all calls go to the emulator at %s, although %s. Unset the variable to use production.",
        variable,
        host,
        reason,
    )
