"""The indexes that error messages of Google's databases ask for. What they don't say clearly is left out."""

from __future__ import annotations

import re
import shlex
from binascii import Error, a2b_base64
from collections.abc import Iterator
from typing import Any, Final, cast
from urllib.parse import parse_qs, urlsplit

from ..paths import FieldPath
from .datastore import from_datastore
from .definitions import AUTOMATIC, FieldIndex, FieldOverride, Index, Mode, Part, QueryScope, VectorPart, name_after

_LINK: Final = re.compile(r"https://\S+[?&]create_composite=\S+")
_SINGLE: Final = re.compile(
    r"requires a (?P<scope>COLLECTION(?:_GROUP)?)_(?P<mode>ASC|DESC|CONTAINS) index for collection (?P<collection>.+?) "
    r"and field (?P<field>.+?)\.(?: |$)"
)
_COMMAND: Final = re.compile(r"gcloud (?:alpha |beta )?firestore indexes composite create (?P<options>.*)", re.DOTALL)
_RECOMMENDED: Final = re.compile(r"recommended index is:\s*(?P<indexes>- kind:.*)", re.DOTALL)
_MODE: Final[dict[str, Mode]] = {"ASC": "ASCENDING", "DESC": "DESCENDING", "CONTAINS": "CONTAINS"}
_ORDER: Final[dict[int, Mode]] = {1: "ASCENDING", 2: "DESCENDING"}
_SCOPE_NAMES: Final[dict[str, QueryScope]] = {"COLLECTION": "COLLECTION", "COLLECTION_GROUP": "COLLECTION_GROUP"}
_SCOPE: Final[dict[int, QueryScope]] = {1: "COLLECTION", 2: "COLLECTION_GROUP"}


def index_in(message: str) -> dict[str, Any] | None:
    """The index that a message asks for, as an entry of `indexes` or of `fieldOverrides`; `None` if it doesn't say.

    Args:
        message: The message of a failed query.
    """
    try:
        single = _SINGLE.search(message)
        if single is not None:
            where = cast("QueryScope", single["scope"])
            index: FieldIndex = where, _MODE[single["mode"]]
            path = FieldPath.parse(single["field"])
            return FieldOverride(single["collection"], path, AUTOMATIC | {index}).to_json()
        link = _LINK.search(message)
        if link is not None:
            encoded = parse_qs(urlsplit(link[0]).query)["create_composite"][0].rstrip(".")
            return _index_of_link(encoded).to_json(whole=True)
        recommended = _RECOMMENDED.search(message)
        if recommended is not None:
            # Datastore mode's, which has no other way to say it.
            (index_of_kind,) = from_datastore(recommended["indexes"]).indexes
            return index_of_kind.to_json(whole=True)
        command = _COMMAND.search(message)
        return None if command is None else _index_of_command(command["options"]).to_json(whole=True)
    except (Error, LookupError, TypeError, ValueError):
        # Whatever its form is now, the message itself still says it to people.
        return None


# --- the link: an Index of the admin API, as protobuf and URL-safe Base64 ---


def _index_of_link(encoded: str) -> Index:
    padded = encoded.replace("-", "+").replace("_", "/") + "=" * (-len(encoded) % 4)
    collection, scope, parts, vector = "", 1, list[Part](), cast("VectorPart | None", None)
    for number, value in _protobuf(a2b_base64(padded)):
        if number == 1:
            # projects/P/databases/D/collectionGroups/C/indexes/_
            collection = cast("bytes", value).decode().split("/")[5]
        elif number == 2:
            scope = cast("int", value)
        elif number == 3:
            field = dict(_protobuf(cast("bytes", value)))
            path = FieldPath.parse(cast("bytes", field[1]).decode())
            if 4 in field:
                vector = path, cast("int", dict(_protobuf(cast("bytes", field[4])))[1])
            else:
                parts.append((path, "CONTAINS" if 3 in field else _ORDER[cast("int", field[2])]))
    return _made(collection, parts, _SCOPE[scope], vector)


def _protobuf(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a message: numbers, and texts or messages as bytes."""
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        value, position = _varint(message, position)
        if tag & 7 == 0:
            yield tag >> 3, value
        elif tag & 7 == 2 and position + value <= len(message):
            yield tag >> 3, message[position : position + value]
            position += value
        else:
            raise ValueError("not a message of numbers and texts")


def _varint(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[position]
        position += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, position


# --- the command for vectors ---


def _index_of_command(options: str) -> Index:
    collection, parts, vector = "", list[Part](), cast("VectorPart | None", None)
    scope: str = "COLLECTION"
    for option in shlex.split(options):
        name, _, value = option.partition("=")
        if name == "--collection-group":
            collection = value
        elif name == "--query-scope":
            scope = value.upper().replace("-", "_")
        elif name == "--field-config":
            path = FieldPath.parse(_setting(value, "field-path"))
            if "vector-config=" in value:
                vector = path, int(re.findall(r'"?dimension"?:\s*"?(\d+)', value)[0])
            elif "array-config=" in value:
                parts.append((path, "CONTAINS"))
            else:
                parts.append((path, _MODE[_setting(value, "order").upper().removesuffix("ENDING")]))
    return _made(collection, parts, _SCOPE_NAMES[scope], vector)


def _setting(value: str, name: str) -> str:
    found: list[str] = re.findall(rf"(?:^|,){name}=([^,]+)", value)
    return found[0]


def _made(collection: str, parts: list[Part], scope: QueryScope, vector: VectorPart | None) -> Index:
    if not collection or not (parts or vector):
        raise ValueError("it names no collection or no field")
    if vector is not None:
        parts = [part for part in parts if part[0].segments != ("__name__",)]
    elif parts[-1][0].segments != ("__name__",):
        parts.append(name_after(parts[-1][1]))
    return Index(collection, tuple(parts), scope, vector)
