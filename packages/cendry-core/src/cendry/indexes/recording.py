"""Recordings: what the queries of a test run need of indexes, as files."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import Any, Final, cast

from .._model.model import Model
from .needs import Need

FORMAT: Final = "cendry-recorded-queries"
VERSION: Final = 1


def to_recording(needs: Iterable[Need]) -> str:
    """Returns the text of a recording: each need once, sorted, so that equal test runs give equal files.

    Args:
        needs: What queries need, as `needs_of` returns it.
    """
    # Those with few fields first: what is added for them may also serve the others.
    shown = sorted({(need.collection, len(need.index.parts), json.dumps(need.to_json())) for need in needs})
    lines = ",\n".join(f"    {line}" for _, _, line in shown)
    queries = f"[\n{lines}\n  ]" if lines else "[]"
    return f'{{\n  "format": "{FORMAT}",\n  "version": {VERSION},\n  "queries": {queries}\n}}\n'


def parse_recording(text: str, name: str = "recording") -> tuple[Need, ...]:
    """Read the text of a recording.

    Args:
        text: The text.
        name: The name of the file, for errors.

    Raises:
        ValueError: It is not a recording; the message names the file.
    """
    try:
        content: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _not_one(name, "it is not JSON") from error
    if not isinstance(content, dict) or cast("dict[str, Any]", content).get("format") != FORMAT:
        raise _not_one(name, f"it has no format {FORMAT!r}")
    recorded = cast("dict[str, Any]", content)
    version: object = recorded.get("version")
    queries: Any = recorded.get("queries")
    if type(version) is int and version > VERSION:
        raise ValueError(
            f"{name} was recorded by a newer version of Cendry (format {version}; this one reads {VERSION}). "
            "Record it again, or upgrade Cendry."
        )
    if type(version) is not int or version < 1 or not isinstance(queries, list):
        raise _not_one(name, "it has no version, or no list of queries")
    found: list[Need] = []
    for number, query in enumerate(cast("Iterable[object]", queries)):
        try:
            found.append(Need.from_json(query))
        except ValueError as error:
            raise ValueError(f"{name}: query {number} is not of its form. {error}.") from error
    return tuple(found)


def read_recording(path: str | os.PathLike[str], *models: type[Model]) -> tuple[Need, ...]:
    """Read what `pytest --cendry-record-indexes` has recorded.

    Args:
        path: The path of the file.
        models: The models that it should be of; any, if there are none.

    Raises:
        ValueError: It is not a recording, or none of its queries is on a collection of the models.
        OSError: The file can't be read.
    """
    name = os.fspath(path)
    try:
        with open(path, encoding="utf-8-sig") as file:
            text = file.read()
    except UnicodeDecodeError as error:
        raise _not_one(name, "it is not text in UTF-8") from error
    needs = parse_recording(text, name)
    others = other_collections(needs, models)
    if others and len(others) == len({need.collection for need in needs}):
        raise ValueError(
            f"{name} is a recording of other models: its queries are on {_listed(others)}, and the models on "
            f"{_listed(sorted(_collections(models)))}. Name the modules of all models, or record the tests of these."
        )
    return needs


def other_collections(needs: Iterable[Need], models: Iterable[type[Model]]) -> list[str]:
    """The collections of recorded queries that none of the models is of, sorted; none if there are no models."""
    known = _collections(models)
    return sorted({need.collection for need in needs} - known) if known else []


def _collections(models: Iterable[type[Model]]) -> set[str]:
    return {model.__collection__ for model in models if model.__collection__ is not None}


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(map(repr, names[:3])) + more


def _not_one(name: str, reason: str) -> ValueError:
    return ValueError(f"{name} is not a recording of queries, as pytest --cendry-record-indexes writes it: {reason}.")
