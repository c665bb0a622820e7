"""What type checkers make of backends: each is one of its twin's, and contexts take no other."""

from __future__ import annotations

from cendry import (
    AsyncCendry,
    AsyncFirestoreBackend,
    AsyncMemoryBackend,
    Cendry,
    DatastoreBackend,
    FirestoreBackend,
    MemoryBackend,
)
from cendry.backend import AsyncBackend, Backend
from cendry_datastore import DualBackend

dual = DualBackend(DatastoreBackend(), FirestoreBackend(), state="migration", mode="shadow-read", sample=0.5)
dual.change_mode("frozen")
DualBackend(DatastoreBackend(), AsyncFirestoreBackend(), state="migration")  # error: mypy pyright ty
DualBackend(DatastoreBackend(), FirestoreBackend(), state="migration", mode="off")  # error: mypy pyright ty
dual.change_mode("off")  # error: mypy pyright ty
AsyncCendry(backend=dual)  # error: mypy pyright ty

sync_ones: list[Backend] = [FirestoreBackend(), MemoryBackend(), DatastoreBackend(), dual]
async_ones: list[AsyncBackend] = [AsyncFirestoreBackend(), AsyncMemoryBackend()]

Cendry(backend=DatastoreBackend(project="p", database="d", namespace="n"))
Cendry(backend=DatastoreBackend(object()))
Cendry(backend=DatastoreBackend(ndb=True, max_inflated=1024))

Cendry(backend=AsyncMemoryBackend())  # error: mypy pyright ty
AsyncCendry(backend=DatastoreBackend())  # error: mypy pyright ty
AsyncCendry(backend=MemoryBackend())  # error: mypy pyright ty
DatastoreBackend(namespace=5)  # error: mypy pyright ty
DatastoreBackend(timeout=5)  # error: mypy pyright ty
DatastoreBackend(ndb="yes")  # error: mypy pyright ty
DatastoreBackend(ndb=True, max_inflated="16 MiB")  # error: mypy pyright ty
