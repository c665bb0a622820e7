"""Both sides of a migration as messages, past Cendry: the Google clients write and read them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from cendry_datastore import _sdk as datastore_sdk
from cendry_datastore._keys import Partition
from cendry_datastore.migrate.values import Place
from cendry_firestore import _sdk as firestore_sdk
from google.cloud import datastore, firestore

Entity, Value, Key = datastore_sdk.Entity, datastore_sdk.Value, datastore_sdk.Key
Document = firestore_sdk.Document


class Sides:
    """A database in Datastore mode and one in Native mode, of one project.

    Args:
        project: The project id.
    """

    def __init__(self, project: str) -> None:
        self.project = project
        self.home = Partition(project, "", "")
        self.target = Place(project)
        self.source_client: Any = datastore.Client(project=project)
        self.target_client: Any = firestore.Client(project=project)

    def entity(self, *path: str | int, namespace: str = "", **properties: Any) -> Any:
        """An entity with a key of alternating kinds and ids or names, and `Value` messages."""
        entity = Entity(key=self.key(*path, namespace=namespace))
        for name, value in properties.items():
            entity.properties[name].CopyFrom(value)
        return entity

    def key(self, *path: str | int, namespace: str = "", project: str | None = None) -> Any:
        """A key in this project; incomplete if it ends with a kind."""
        key = Key()
        key.partition_id.project_id = self.project if project is None else project
        key.partition_id.namespace_id = namespace
        for index in range(0, len(path), 2):
            element = key.path.add(kind=path[index])
            if index + 1 < len(path):
                last: Any = path[index + 1]
                if isinstance(last, int):
                    element.id = last
                else:
                    element.name = last
        return key

    def put(self, *entities: Any) -> None:
        """Store entities."""
        request = datastore_sdk.CommitRequest(project_id=self.project, mode="NON_TRANSACTIONAL")
        for entity in entities:
            request.mutations.add().upsert.CopyFrom(entity)
        self.source_client._datastore_api.commit(request=datastore_sdk.wrapped(request))

    def delete(self, *keys: Any) -> None:
        """Delete entities."""
        request = datastore_sdk.CommitRequest(project_id=self.project, mode="NON_TRANSACTIONAL")
        for key in keys:
            request.mutations.add().delete.CopyFrom(key)
        self.source_client._datastore_api.commit(request=datastore_sdk.wrapped(request))

    def get(self, *keys: Any) -> list[Any]:
        """Stored entities, in the order of keys."""
        request = datastore_sdk.LookupRequest(project_id=self.project, keys=keys)
        response = self.source_client._datastore_api.lookup(request=datastore_sdk.wrapped(request))._pb
        found = {one.entity.key.SerializeToString(): one.entity for one in response.found}
        return [found[key.SerializeToString()] for key in keys]

    def commit(self, documents: Iterable[Any]) -> None:
        """Write documents."""
        request = firestore_sdk.CommitRequest(database=self.target.name)
        for document in documents:
            request.writes.add().update.CopyFrom(document)
        self.target_client._firestore_api.commit(request=firestore_sdk.wrapped(request), retry=None)

    def read(self, names: Sequence[str]) -> list[Any]:
        """Documents without their times, in the order of names."""
        request = firestore_sdk.BatchGetDocumentsRequest(database=self.target.name, documents=names)
        metadata = [("google-cloud-resource-prefix", self.target.name)]
        responses = self.target_client._firestore_api.batch_get_documents(
            request=firestore_sdk.wrapped(request), retry=None, metadata=metadata
        )
        found: dict[str, Any] = {}
        for response in responses:
            document = Document()
            document.CopyFrom(response._pb.found)
            document.ClearField("create_time")
            document.ClearField("update_time")
            found[document.name] = document
        return [found[name] for name in names]

    def close(self) -> None:
        """Close the clients."""
        self.source_client.close()
        self.target_client.close()
