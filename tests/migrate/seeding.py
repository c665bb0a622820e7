"""Entities to migrate."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from google.cloud import datastore


def entity(client: Any, *path: str | int, **properties: Any) -> Any:
    """An entity of the SDK's, not yet stored."""
    made: Any = datastore.Entity(client.key(*path), exclude_from_indexes=("text",))
    made.update(properties)
    return made


def put(client: Any, entities: Iterable[Any]) -> None:
    """Store entities, in as few commits as it takes."""
    group: list[Any] = []
    for one in entities:
        group.append(one)
        if len(group) == 500:
            client.put_multi(group)
            group = []
    client.put_multi(group)
