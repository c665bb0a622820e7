"""What a backend needs of a client: the generated client below it, its names, and the road to the server."""

from __future__ import annotations

import logging
import os
from importlib import import_module
from typing import Any, Final

from cendry.errors import CendryError
from google.cloud.firestore_v1 import Client

from . import _sdk
from ._road import road_to
from ._wire import home_of

STREAMS_VARIABLE: Final = "CENDRY_SINGLE_THREADED_STREAMS"
"""Set to `0`, the sync clients that Cendry makes have the SDK's own channel, as it is."""

_MESSAGE_SIZES: Final = (("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1))
_KEEPALIVE: Final = ("grpc.keepalive_time_ms", 30000)


class Connection:
    """One client, opened.

    Attributes:
        client: The SDK's client.
        api: The generated client below it.
        database: `projects/P/databases/D`.
        metadata: What routes a call to that database.
        road: What sends.
        home: What results are told of where they are from.
        is_closed: Whether the backend has closed it.
    """

    __slots__ = ("api", "client", "database", "home", "is_closed", "metadata", "road")

    def __init__(self, client: Any, *, is_async: bool) -> None:
        self.client = client
        self.api: Any = client._firestore_api
        self.database: str = client._database_string
        self.metadata: tuple[tuple[str, str], ...] = tuple(client._rpc_metadata)
        self.road = road_to(self.api, self.database, self.metadata, is_async=is_async)
        self.home = home_of(self.database)
        self.is_closed = False

    def check_open(self, error: Exception) -> None:
        """Say what broke a read, if it was the end of the connection.

        Raises:
            CendryError: The connection was closed.
        """
        if self.is_closed:
            raise CendryError(
                "The connection to Firestore was closed in the middle of a read; end all reads before you close "
                "the context or its backend."
            ) from error


def connect(client: Any, *, is_async: bool) -> Connection:
    """Open the channel of a client, if it is not open yet."""
    return Connection(client, is_async=is_async)


def make_client(project: str | None, database: str | None) -> Any:
    """A sync client on a channel whose streams need no thread of their own.

    That is gRPC's option `SingleThreadedUnaryStream`: the thread that reads a stream does the work of the channel
    itself, which saves two thirds of the CPU of a large read (bench/README.md). It is marked as experimental, so
    `STREAMS_VARIABLE` turns it off; where the SDK has no place for it, the client has the SDK's own channel.
    """
    client: Any = Client(project=project, database=database)
    if os.environ.get(STREAMS_VARIABLE) == "0":
        return client
    try:
        _open_single_threaded(client)
    except (AttributeError, ImportError) as error:
        logging.getLogger("cendry").warning(
            "Streams take a thread each, which is slower: this version of google-cloud-firestore or grpcio lacks "
            "something that is needed to do without (%s).",
            error,
        )
    return client


def _open_single_threaded(client: Any) -> None:
    """Make what the SDK makes at the first call, with one option more."""
    service = "google.cloud.firestore_v1.services.firestore"
    kind = import_module(f"{service}.transports.grpc").FirestoreGrpcTransport
    option = (import_module("grpc.experimental").ChannelOptions.SingleThreadedUnaryStream, 1)
    host = client._emulator_host
    if host is not None:
        channel = _sdk.grpc.insecure_channel(host, options=[*_MESSAGE_SIZES, option])
    else:
        channel = kind.create_channel(
            client._target, credentials=client._credentials, options=[_KEEPALIVE, *_MESSAGE_SIZES, option]
        )
    transport = kind(host=client._target, channel=channel)
    api_kind = import_module(f"{service}.client").FirestoreClient
    api = api_kind(transport=transport, client_options=client._client_options)
    # Only now, when nothing can fail any more.
    client._transport = transport
    client._firestore_api_internal = api


def check_arguments(client: Any, kind: type[Any], twin: str, project: str | None, database: str | None) -> None:
    """Refuse what contradicts itself, and the client of the other twin.

    Raises:
        TypeError: The client is of another kind, or comes with the project or database that it already has.
    """
    if client is None:
        return
    if not isinstance(client, kind):
        raise TypeError(
            f"client= takes a google.cloud.firestore.{kind.__name__}, not {client!r}. {twin} is for the other kind."
        )
    if project is not None or database is not None:
        raise TypeError("Give either client=, which knows its project and database, or project= and database=.")
