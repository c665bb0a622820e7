"""The direct way between models and Datastore's messages, compiled once per class and registry by core's compiler.

What it doesn't take at first sight goes by way of stored values and core's codec, errors included, so the two can't
differ in what they refuse.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from . import _sdk
from ._exclusions import EntityPath, MarksFinder
from ._keys import Home
from ._values import decode_properties, decode_value, write_value

if TYPE_CHECKING:
    from cendry.codec import Codec

M = TypeVar("M")


class WireResult(NamedTuple):
    """An `Entity` message that was read, as a `StoredDocument` of core: decoded where somebody asks for it.

    Attributes:
        path: The document's path.
        entity: The message.
        home: Where the documents live.
        may_have_marks: Whether any property may be kept out of the indexes.
        cursor: Datastore's opaque cursor: where the query goes on after this result; `None` for what no query gave.
    """

    path: str
    entity: Any
    home: Home
    may_have_marks: bool
    cursor: bytes | None = None

    @property
    def exists(self) -> bool:
        """Whether there is such a document: what is absent comes as core's own result."""
        return True

    @property
    def data(self) -> dict[str, Any]:
        """The stored fields, made anew each time."""
        return decode_properties(self.entity.properties, self.home)

    @property
    def create_time(self) -> None:
        """Datastore mode has no such time."""
        return

    @property
    def update_time(self) -> None:
        """Datastore mode has no such time."""
        return

    @property
    def read_time(self) -> None:
        """Datastore mode has no such time."""
        return

    @classmethod
    def reader(cls, codec: Codec[M]) -> Callable[[WireResult], M]:
        """A function that makes an instance of a result, with its path and what it has outside the indexes."""
        # Whoever has a codec has this module already.
        metadata = import_module("cendry._model.metadata").DocumentMetadata
        decode, put, new = decoder(codec), object.__setattr__, cast("Any", tuple).__new__
        find_marks = MarksFinder().find

        def read(result: WireResult) -> M:
            path, entity, home, may_have_marks, _ = result
            properties = entity.properties
            instance: M = decode(properties, path[path.rfind("/") + 1 :], path, home)
            if may_have_marks and (marks := find_marks(entity)):
                path = EntityPath(path, marks)
            put(instance, "_cendry_metadata", new(metadata, (path, None, None, None)))
            return instance

        return read


new_result = cast("Callable[[type[WireResult], tuple[Any, ...]], WireResult]", cast("Any", tuple).__new__)
"""Quicker than the class itself."""


def decoder(codec: Codec[M]) -> Callable[[Any, str, str, Home], M]:
    """`decode(properties, document_id, path, home)`: an instance from the properties of an `Entity` message.

    It raises `DecodeError` for the first field that doesn't fit, as `codec.decode` does.
    """
    found = cast("Callable[[Any, str, str, Home], M] | None", codec.outputs.get(decoder))
    if found is None:
        found = cast("Callable[[Any, str, str, Home], M]", _compile("decoder", codec))
        codec.outputs[decoder] = found
    return found


def encoder(codec: Codec[M], home: Home) -> Callable[[M], WireData]:
    """`encode(instance)`: the stored fields, in a message.

    It raises `InvalidValueError` for the first field that doesn't fit, as `codec.encode` does.
    """
    compiled: Any = codec.outputs.get(encoder)
    if compiled is None:
        compiled = codec.outputs[encoder] = _compile("encoder", codec)
    return partial(_encoded, compiled, home)


def _encoded(compiled: Callable[..., Any], home: Home, instance: Any) -> WireData:
    return WireData(compiled(instance, _sdk.Entity(), home), home)


def _compile(what: str, codec: Codec[Any]) -> Any:
    # Needed once for each class, and with it the compiler of core: nothing to wait for when a backend is imported.
    compiler = import_module("cendry.codec.message")
    return getattr(compiler, f"compile_{what}")(codec, import_module("._dialect", __package__).DATASTORE)


class WireData(MutableMapping[str, Any]):
    """The stored fields of a document that is to be written, kept in an `Entity` message without a key.

    To others it is a mapping of stored values, made where somebody asks for them.

    Args:
        entity: The message.
        home: Where the documents of its backend live.
    """

    __slots__ = ("entity", "home")

    def __init__(self, entity: Any, home: Home) -> None:
        self.entity = entity
        self.home = home

    def __getitem__(self, name: str) -> Any:
        properties = self.entity.properties
        # Asking a protobuf map for what it lacks would add it.
        if name not in properties:
            raise KeyError(name)
        return decode_value(properties[name], self.home)

    def __setitem__(self, name: str, value: Any) -> None:
        properties = self.entity.properties
        properties.pop(name, None)
        write_value(properties[name], value, self.home)

    def __delitem__(self, name: str) -> None:
        del self.entity.properties[name]

    def __contains__(self, name: object) -> bool:
        return name in self.entity.properties

    def __iter__(self) -> Iterator[str]:
        return iter(self.entity.properties)

    def __len__(self) -> int:
        return len(self.entity.properties)

    def __repr__(self) -> str:
        return f"WireData({dict(self)!r})"
