"""The upgrades of a model, as what a backfill does to a document. Nothing here sends."""

from __future__ import annotations

from typing import Any, cast

from cendry._types.evolutions import evolution_of
from cendry._types.registry import TypeRegistry
from cendry.codec import Codec, codec_for
from cendry.codec.upgrading import require_known, version_of


class Chain:
    """The upgrades of a model.

    Attributes:
        name: Their name, which has the version that they lead to.

    Args:
        model: The model.
        registry: The registry of types.

    Raises:
        TypeError: It has no versions, or an upgrade is missing.
    """

    __slots__ = ("_codec", "_evolution", "_model", "name")

    def __init__(self, model: type[Any], registry: TypeRegistry) -> None:
        evolution = evolution_of(model)
        if evolution is None:
            raise TypeError(
                f"{model.__qualname__} has no version=, and so no upgrades: give it a version, or backfill() a "
                "function from a dict to a dict or None."
            )
        evolution.check()
        # Documents of all tags are in the collection.
        family = cast("Any", model).__cendry_family__
        self._model: type[Any] = model if family is None else family.root
        self._evolution = evolution
        self._codec: Codec[Any] = codec_for(self._model, registry)
        self.name = f"the upgrades of {model.__module__}.{model.__qualname__} to version {evolution.version}"

    def upgraded(self, path: str, data: dict[str, Any]) -> dict[str, Any] | None:
        """The stored fields of a document in the current version, and with it.

        Args:
            path: The path of the document.
            data: Its stored fields. They are not changed.

        Returns:
            `None` for a document of the current version, and for one that a newer model has written.

        Raises:
            DecodeError: Its version is none, or older than the model reads; an upgrade fails; or the model can't read
                what the upgrades have made.
        """
        evolution = self._evolution
        version = version_of(evolution, data, path, self._model)
        if version >= evolution.version:
            return None
        require_known(evolution, version, path, self._model, keeps=True)
        field = evolution.version_field
        before = {key: each for key, each in data.items() if key != field}
        after = self._codec.upgraded_fields(before, version, path)
        return {**after, field: evolution.version}
