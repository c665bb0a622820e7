"""The direct way between models and Firestore's messages, compiled once per class and registry.

It is made from the shapes that core's codec is made from. What it doesn't take at first sight goes by way of stored
values and that codec, errors included, so the two can't differ in what they refuse.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from datetime import datetime, timedelta
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from cendry._interop.protobuf import EPOCH, to_datetime

from . import _sdk
from ._values import DOCUMENTS, decode_fields, decode_value, write_value

if TYPE_CHECKING:
    from cendry.codec import Codec

M = TypeVar("M")


class Home(NamedTuple):
    """Where documents are from.

    Attributes:
        database: `projects/P/databases/D`.
        start: Where the path begins in the name of a document of that database.
    """

    database: str
    start: int


def home_of(database: str) -> Home:
    """The home of the documents of a database."""
    return Home(database, len(database) + len(DOCUMENTS))


class WireResult(tuple[Any, Any, Home]):
    """A `Document` message that was read, as a `StoredDocument` of core: decoded where somebody asks for it."""

    __slots__ = ()

    @property
    def exists(self) -> bool:
        """Whether there is such a document: what is absent comes as core's own result."""
        return True

    @property
    def read_time(self) -> datetime | None:
        """The moment of the read."""
        return cast("datetime | None", self[1])

    @property
    def path(self) -> str:
        """The document's path."""
        document, _, home = self
        return cast("str", document.name[home.start :])

    @property
    def data(self) -> dict[str, Any]:
        """The stored fields, made anew each time."""
        document, _, home = self
        return decode_fields(document.fields, home.database)

    @property
    def create_time(self) -> datetime:
        """When the document was created."""
        return to_datetime(self[0].create_time)

    @property
    def update_time(self) -> datetime:
        """When it was last changed."""
        return to_datetime(self[0].update_time)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __ne__(self, other: object) -> bool:
        return self is not other

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"WireResult({self.path!r}, {self.data!r}, {self.create_time!r}, {self.update_time!r})"

    @classmethod
    def reader(cls, codec: Codec[M]) -> Callable[[WireResult], M]:
        """A function that makes an instance of a result, with its metadata."""
        # Whoever has a codec has this module already.
        metadata = import_module("cendry._model.metadata").DocumentMetadata
        decode, put, new = decoder(codec), object.__setattr__, cast("Any", tuple).__new__
        epoch, delta = EPOCH, timedelta

        def read(result: WireResult) -> M:
            document, read_time, (database, start) = result
            path = document.name[start:]
            instance: M = decode(document.fields, path[path.rfind("/") + 1 :], path, database)
            created, updated = document.create_time, document.update_time
            known = (
                path,
                epoch + delta(0, created.seconds, created.nanos // 1000),
                epoch + delta(0, updated.seconds, updated.nanos // 1000),
                read_time,
            )
            put(instance, "_cendry_metadata", new(metadata, known))
            return instance

        return read


new_result = cast(
    "Callable[[type[WireResult], tuple[Any, datetime | None, Home]], WireResult]", cast("Any", tuple).__new__
)
"""Quicker than the class itself."""


def decoder(codec: Codec[M]) -> Callable[[Any, str, str, str], M]:
    """`decode(fields, document_id, path, database)`: an instance from the fields of a `Document` message.

    It raises `DecodeError` for the first field that doesn't fit, as `codec.decode` does.
    """
    found = cast("Callable[[Any, str, str, str], M] | None", codec.outputs.get(decoder))
    if found is None:
        found = cast("Callable[[Any, str, str, str], M]", _compile("decoder", codec))
        codec.outputs[decoder] = found
    return found


def encoder(codec: Codec[M], database: str) -> Callable[[M], WireData]:
    """`encode(instance)`: the stored fields, in a message.

    It raises `InvalidValueError` for the first field that doesn't fit, as `codec.encode` does.
    """
    compiled: Any = codec.outputs.get(encoder)
    if compiled is None:
        compiled = codec.outputs[encoder] = _compile("encoder", codec)
    return partial(_encoded, compiled, database)


def _encoded(compiled: Callable[..., Any], database: str, instance: Any) -> WireData:
    return WireData(compiled(instance, _sdk.Document(), database), database)


def _compile(what: str, codec: Codec[Any]) -> Any:
    # Needed once for each class, and with it the compiler of core: nothing to wait for when a backend is imported.
    compiler = import_module("cendry.codec.message")
    return getattr(compiler, f"compile_{what}")(codec, import_module("._dialect", __package__).FIRESTORE)


class WireData(MutableMapping[str, Any]):
    """The stored fields of a document that is to be written, kept in a `Document` message.

    To others it is a mapping of stored values, made where somebody asks for them.
    """

    __slots__ = ("database", "document")

    def __init__(self, document: Any, database: str) -> None:
        self.document = document
        self.database = database

    def __getitem__(self, name: str) -> Any:
        fields = self.document.fields
        # Asking a protobuf map for what it lacks would add it.
        if name not in fields:
            raise KeyError(name)
        return decode_value(fields[name], self.database)

    def __setitem__(self, name: str, value: Any) -> None:
        fields = self.document.fields
        fields.pop(name, None)
        write_value(fields[name], value, self.database)

    def __delitem__(self, name: str) -> None:
        del self.document.fields[name]

    def __contains__(self, name: object) -> bool:
        return name in self.document.fields

    def __iter__(self) -> Iterator[str]:
        return iter(self.document.fields)

    def __len__(self) -> int:
        return len(self.document.fields)

    def __repr__(self) -> str:
        return f"WireData({dict(self)!r})"
