"""A channel whose streams need no thread of their own, beside that of the SDK's client.

It has gRPC's option `SingleThreadedUnaryStream`: the thread that reads a stream does the work of the channel as well,
instead of another thread that hands over each message. That saves two thirds of the CPU of a large read
(bench/README.md). The option is marked as experimental, and it has a fault (seen in grpcio 1.85): a stream that isn't
read to its end never releases its memory and its connection, since nobody takes its last events. `release` takes them.
The SDK's own calls don't, so its client keeps a channel of its own, without the option, which connects when it is used.
"""

from __future__ import annotations

import logging
import os
from importlib import import_module
from typing import Any, Final

from . import _sdk

STREAMS_VARIABLE: Final = "CENDRY_SINGLE_THREADED_STREAMS"
"""If set to `0`, there is no such channel."""

_FORK_VARIABLE: Final = "GRPC_ENABLE_FORK_SUPPORT"
"""If this is set, gRPC cancels all streams in a forked child, and waits there for ever for the last events of these."""

_TRUE: Final = ("1", "true", "yes")

_OPTIONS: Final = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
)
_KEEPALIVE: Final = ("grpc.keepalive_time_ms", 30000)


def single_threaded_channel(client: Any) -> Any:
    """A channel to the target of a client's own, or `None` if it is switched off or can't be used."""
    if os.environ.get(STREAMS_VARIABLE) == "0" or os.environ.get(_FORK_VARIABLE, "").lower() in _TRUE:
        return None
    try:
        option = (import_module("grpc.experimental").ChannelOptions.SingleThreadedUnaryStream, 1)
        _check_release()
        host = client._emulator_host
        if host is not None:
            return _sdk.grpc.insecure_channel(host, options=[*_OPTIONS, option])
        transport = import_module("google.cloud.firestore_v1.services.firestore.transports.grpc")
        return transport.FirestoreGrpcTransport.create_channel(
            client._target, credentials=client._credentials, options=[_KEEPALIVE, *_OPTIONS, option]
        )
    except (AttributeError, ImportError) as error:
        logging.getLogger("cendry").warning(
            "Streams take a thread each, which is slower: this version of google-cloud-firestore or grpcio lacks "
            "something that is needed to do without (%s).",
            error,
        )
        return None


def _check_release() -> None:
    kind = import_module("grpc._channel")._SingleThreadedRendezvous
    _ = kind._consume_next_event


def release(stream: Any) -> None:
    """Cancel a stream of such a channel, unless it has ended, and take the events that are still to come."""
    stream.cancel()
    due = stream._state.due
    while due:
        stream._consume_next_event()
