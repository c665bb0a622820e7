"""What makes values, instances, messages and failures comparable to the last bit, with the SDK's own too."""

from __future__ import annotations

import enum
import math
import struct
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

from cendry._interop.google import from_sdk
from cendry._types.registry import TypeRegistry, default_registry
from cendry.codec import Codec, codec_for, message
from cendry.reference import Ref
from cendry.values import GeoPoint, Vector
from cendry_firestore import _sdk
from cendry_firestore._dialect import FIRESTORE
from cendry_firestore._values import decode_fields, write_fields, write_value
from google.auth.credentials import AnonymousCredentials
from google.cloud import firestore as sdk
from google.cloud.firestore_v1.vector import Vector as SdkVector
from google.protobuf.message import Message  # type: ignore[import-untyped]

DATABASE = "projects/p/databases/(default)"
CLIENT = sdk.Client(project="p", credentials=AnonymousCredentials())


def exact(value: Any) -> Any:
    """A form that tells 1 from True and 1.0, and -0.0 from 0.0.

    It finds NaN equal to itself, and a moment equal to the same one in another zone.
    """
    kind = type(value)
    match value:
        case enum.Enum():
            return kind, value
        case float():
            return kind, struct.pack("d", math.nan if math.isnan(value) else value)
        case datetime():
            return kind, value.astimezone(timezone.utc)
        case Decimal():
            return kind, str(value)
        case Vector():
            return kind, tuple(map(exact, value))
        case GeoPoint():
            return kind, exact(float(value.latitude)), exact(float(value.longitude))
        case Ref():
            return kind, value.path, value.model, value.database
        case list() | tuple():
            return kind, tuple(map(exact, value))
        case set() | frozenset():
            return kind, frozenset(map(exact, value))
        case dict():
            return kind, {key: exact(each) for key, each in value.items()}
        case Message():
            return kind, serialized(value)
        case _ if hasattr(value, "__dict__"):
            return kind, tuple((name, exact(each)) for name, each in sorted(vars(value).items()))
        case _:
            return kind, value


def outcome(action: Callable[[], Any]) -> Any:
    """What an action gives, or what it raises, in a form that can be compared."""
    try:
        return exact(action())
    except Exception as error:
        facts = [getattr(error, name, None) for name in ("path", "model", "field", "expected", "found", "more")]
        return type(error), str(error), facts, type(error.__cause__)


def serialized(message: Any) -> bytes:
    found: bytes = message.SerializeToString(deterministic=True)
    return found


def document_of(data: Mapping[str, Any]) -> Any:
    """A `Document` message with these stored values."""
    document = _sdk.Document()
    write_fields(document.fields, data, DATABASE)
    return document


def decoder(codec: Codec[Any]) -> Callable[..., Any]:
    """What reads documents of a class the direct way."""
    return message.decoder(codec, FIRESTORE)


def encoder(codec: Codec[Any], database: str = DATABASE) -> Callable[[Any], Any]:
    """What writes instances of a class the direct way."""
    return message.encoder(codec, FIRESTORE, database)


def encode_value(value: Any, database: str = DATABASE) -> Any:
    """A stored value as a `Value` message."""
    target = _sdk.Value()
    write_value(target, value, database)
    return target


def decode(model: type[Any], document: Any, registry: TypeRegistry = default_registry) -> Any:
    """The document `docs/i`, read the direct way."""
    return decoder(codec_for(model, registry))(document.fields, "i", "docs/i", DATABASE)


def encode(instance: Any, registry: TypeRegistry = default_registry) -> Any:
    """An instance, written the direct way."""
    return encoder(codec_for(type(instance), registry))(instance)


def check_read(model: type[Any], document: Any, registry: TypeRegistry = default_registry) -> Any:
    """A document is read, or refused, as by its stored values, and not changed by that; tells the class of either."""
    before = serialized(document)
    codec = codec_for(model, registry)
    expected = outcome(lambda: codec.decode(decode_fields(document.fields, DATABASE), "i", "docs/i"))
    assert expected == outcome(lambda: decode(model, document, registry))
    assert before == serialized(document)
    return expected[0]


def check_write(instance: Any, registry: TypeRegistry = default_registry) -> Any:
    """An instance is written, or refused, as by its stored values; tells the class of the error, or `bytes`."""
    codec = codec_for(type(instance), registry)
    expected = outcome(lambda: serialized(document_of(codec.encode(instance))))
    assert expected == outcome(lambda: serialized(encode(instance, registry).message))
    return expected[0]


def to_sdk(value: Any) -> Any:
    """A stored value as one gives it to the SDK."""
    match value:
        case GeoPoint():
            return sdk.GeoPoint(value.latitude, value.longitude)
        case Vector():
            return SdkVector(list(value))
        case Ref():
            return CLIENT.document(value.path)
        case list():
            return [to_sdk(each) for each in value]
        case dict():
            return {key: to_sdk(each) for key, each in value.items()}
        case _:
            return value


def of_sdk(value: Any) -> Any:
    """A stored value, from one that the SDK gave."""
    match value:
        case list():
            return [of_sdk(each) for each in value]
        case dict():
            return {key: of_sdk(each) for key, each in value.items()}
        case sdk.DocumentReference():
            return Ref.from_path(value.path)
        case _:
            return from_sdk(value)
