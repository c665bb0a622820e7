"""Datastore mode for Cendry: the bridge that a team crosses once, on the way to Firestore's Native mode."""

from __future__ import annotations

from ._errors import NamespaceNotFoundError
from .backend import DatastoreBackend

__all__ = ["DatastoreBackend", "NamespaceNotFoundError"]
