"""What spans say of Datastore mode."""

from __future__ import annotations

from typing import Any

from cendry import Cendry, DatastoreBackend, Field, Model
from google.auth.credentials import AnonymousCredentials
from google.cloud import datastore
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


class Row(Model, collection="Row"):
    name: Field[str]


def test_spans_name_the_database_and_the_server(datastore_host: str, project: str) -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    backend = DatastoreBackend(project=project, namespace="tests")
    with Cendry(backend=backend, telemetry=provider) as ctx:
        ctx.save(Row(id="a", name="x"))
        ctx.select(Row).to_list()
    backend.close()
    host, _, port = datastore_host.rpartition(":")
    common = {
        "db.system.name": "gcp.datastore",
        "db.namespace": f"{project}|(default)|tests",
        "db.collection.name": "Row",
        "server.address": host,
        "server.port": int(port),
    }
    save = {**common, "db.operation.name": "save"}
    select = {**common, "db.operation.name": "select", "db.response.returned_rows": 1}
    assert [save, select] == [dict(span.attributes or {}) for span in exporter.get_finished_spans()]


def test_the_server_in_production(monkeypatch: Any) -> None:
    monkeypatch.delenv("DATASTORE_EMULATOR_HOST", raising=False)
    client = datastore.Client(project="p", credentials=AnonymousCredentials())
    assert ("datastore.googleapis.com", 443) == DatastoreBackend(client).server
