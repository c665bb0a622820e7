"""Firestore for Cendry: the backends, and the SDK's own filter for those who have one."""

from __future__ import annotations

from google.cloud.firestore_v1.base_query import FieldFilter

from ._aio import AsyncFirestoreBackend
from ._sync import FirestoreBackend

__all__ = ["AsyncFirestoreBackend", "FieldFilter", "FirestoreBackend"]
