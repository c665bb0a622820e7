"""Datastore mode for Cendry: the bridge that a team crosses once, on the way to Firestore's Native mode."""

from __future__ import annotations

from ._backend import DatastoreBackend
from ._errors import NamespaceNotFoundError

__all__ = ["DatastoreBackend", "NamespaceNotFoundError"]
