"""What a backend needs of a client: the generated client below it, and where its documents live."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cendry.errors import CendryError

from . import _sdk
from ._keys import Home, check_namespace


@dataclass(slots=True, eq=False)
class Connection:
    """One client, opened.

    Attributes:
        client: The SDK's client.
        api: The generated client below it, which sends.
        home: Where the documents live.
        is_closed: Whether the backend has closed it.
        knows_namespace: Whether its namespace is known to exist, or can't be asked for.
    """

    client: Any
    api: Any
    home: Home
    is_closed: bool = False
    knows_namespace: bool = False

    def check_open(self, error: Exception) -> None:
        """Say what broke a call, if it was the end of the connection.

        Raises:
            CendryError: The connection was closed.
        """
        if self.is_closed:
            raise CendryError(
                "The connection to Datastore was closed in the middle of a read; end all reads before you close "
                "the context or its backend."
            ) from error


def connect(client: Any) -> Connection:
    """Open the channel of a client, if it is not open yet.

    Raises:
        CendryError: The client speaks HTTP, and Cendry's messages are gRPC's.
    """
    if not client._use_grpc:
        raise CendryError(
            "This Datastore client speaks HTTP; make one without _use_grpc=False and without "
            "GOOGLE_CLOUD_DISABLE_GRPC in the environment."
        )
    home = Home(client.project, client.database or "", client.namespace or "")
    return Connection(client, client._datastore_api, home, knows_namespace=not home.namespace)


def check_arguments(client: Any, project: str | None, database: str | None, namespace: str | None) -> None:
    """Refuse what contradicts itself, and what is no client.

    Raises:
        TypeError: The client is none of Datastore's, or comes with what it knows already.
        InvalidDocumentIdError: The namespace is not legal.
    """
    check_namespace(namespace)
    if client is None:
        return
    if not isinstance(client, _sdk.Client):
        raise TypeError(f"client= takes a google.cloud.datastore.Client, not {client!r}.")
    if project is not None or database is not None or namespace is not None:
        raise TypeError(
            "Give either client=, which knows its project, database and namespace, or project=, database= and "
            "namespace=."
        )
