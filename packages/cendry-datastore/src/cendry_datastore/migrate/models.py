"""Some documents, read through their models on both sides: what an application will see."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from datetime import datetime
from typing import Any, Final, cast

from cendry.codec import codec_for
from cendry.convert import to_dict
from cendry.errors import DecodeError
from cendry.plan import GetPlan

from .digest import is_in_sample
from .sides import different_fields
from .source import Source
from .target import Target
from .values import Plan

MOST_OF_A_KIND: Final = 100
"""Documents of each kind that are read through its model."""


class ModelSample:
    """Chooses documents by their names, and compares what a model makes of them on both sides.

    Args:
        plan: The plan.
        source: The source.
        target: The target.
        models: Models; those of kinds that get another collection id are left out.
    """

    def __init__(self, plan: Plan, source: Source, target: Target, models: Sequence[type[Any]]) -> None:
        self._source = source
        self._target = target
        self._is_ndb = plan.mode == "ndb"
        kept = {kind.kind: kind.count for kind in plan.kinds if kind.collection == kind.kind}
        given: list[Any] = list(models)
        self._models = {one.__collection__: one for one in reversed(given) if one.__collection__ in kept}
        # Twice as many, as it is by chance how many there are.
        self._shares = {kind: min(1.0, 2 * MOST_OF_A_KIND / max(kept[kind], 1)) for kind in self._models}
        self._paths: dict[str, list[str]] = {kind: [] for kind in self._models}

    def offer(self, kind: str, name: str, path: str) -> None:
        """Take a document that is on both sides, or leave it.

        Args:
            kind: The kind.
            name: The full name of the document.
            path: Its path.
        """
        paths = self._paths.get(kind)
        # A path with NUL is none of Cendry's.
        if paths is None or len(paths) >= MOST_OF_A_KIND or "\0" in path:
            return
        if is_in_sample(name, self._shares[kind]):
            paths.append(path)

    def differences(self, moment: datetime | None, without: Container[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Read them.

        Args:
            moment: When both sides are read; `None` for the present.
            without: Paths that are left out, as they are known to differ.

        Returns:
            The path of each document that models read differently, and the names of the fields.

        Raises:
            CendryError: A database can't be read.
        """
        backends: list[Any] = []
        for kind, paths in self._paths.items():
            wanted = tuple(path for path in paths if path not in without)
            if not wanted:
                continue
            backends = backends or [self._source.backend(ndb=self._is_ndb), self._target.backend()]
            codec = codec_for(self._models[kind])
            one, other = (dict(_read(backend, codec, wanted, moment)) for backend in backends)
            for path in wanted:
                fields = _differing(one.get(path), other.get(path))
                if fields:
                    yield path, fields


def _read(
    backend: Any, codec: Any, paths: tuple[str, ...], moment: datetime | None
) -> Iterator[tuple[str, dict[str, Any] | DecodeError]]:
    readers: dict[type[Any], Any] = {}
    for result in backend.get(GetPlan(paths, read_time=moment)):
        if not result.exists:
            continue
        kind = cast("Any", type(result))
        read = readers.get(kind) or readers.setdefault(kind, kind.reader(codec))
        try:
            yield result.path, to_dict(read(result))
        except DecodeError as error:
            yield result.path, error


def _differing(one: Any, other: Any) -> tuple[str, ...]:
    match one, other:
        case DecodeError(), DecodeError():
            return () if one.field == other.field else (one.field, other.field)
        case (DecodeError() as error, dict()) | (dict(), DecodeError() as error):
            return (error.field,)
        case _:
            # If it is absent on one side, that was found before, or has happened since.
            return different_fields(one, other)
