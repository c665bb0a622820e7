"""What spans say of Firestore itself."""

from __future__ import annotations

from typing import Any

from cendry import AsyncCendry, AsyncFirestoreBackend, Cendry, Field, FirestoreBackend, Model
from google.auth.credentials import AnonymousCredentials
from google.cloud.firestore import AsyncClient, Client
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


class Row(Model, collection="rows"):
    name: Field[str]


async def test_spans_name_the_database_and_the_server(firestore_emulator: str, project: str) -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with Cendry(project=project, telemetry=provider) as ctx:
        ctx.save(Row(id="a", name="x"))
        ctx.select(Row).to_list()
    async with AsyncCendry(project=project, telemetry=provider) as async_ctx:
        await async_ctx.save(Row(id="a", name="x"))
        await async_ctx.select(Row).to_list()
    host, _, port = firestore_emulator.rpartition(":")
    common = {
        "db.system.name": "gcp.firestore",
        "db.namespace": f"{project}|(default)",
        "db.collection.name": "rows",
        "server.address": host,
        "server.port": int(port),
    }
    save = {**common, "db.operation.name": "save"}
    select = {**common, "db.operation.name": "select", "db.response.returned_rows": 1}
    assert [save, select] * 2 == [dict(span.attributes or {}) for span in exporter.get_finished_spans()]


async def test_the_server_in_production(monkeypatch: Any) -> None:
    monkeypatch.delenv("FIRESTORE_EMULATOR_HOST", raising=False)
    anonymous = AnonymousCredentials()
    expected = ("firestore.googleapis.com", 443)
    assert expected == FirestoreBackend(Client(project="p", credentials=anonymous)).server
    assert expected == AsyncFirestoreBackend(AsyncClient(project="p", credentials=anonymous)).server
