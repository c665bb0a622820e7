"""Indexes as files and as commands of other tools. Nothing here deploys anything."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from typing import Any

from .definitions import AUTOMATIC, EVERY_FIELD, FieldOverride, Index, forms_of
from .serving import Indexes


def to_firebase(indexes: Indexes) -> str:
    """Returns a whole `firestore.indexes.json`, sorted, in the form to which the Firebase CLI brings it.

    To add to a file that is there, use `merge`: what a file lacks, `firebase deploy` offers to delete.

    Args:
        indexes: The indexes.
    """
    content = {
        "indexes": [each.to_json() for each in _sorted_indexes(indexes)],
        "fieldOverrides": [each.to_json() for each in _sorted_overrides(indexes)],
    }
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _sorted_indexes(indexes: Indexes) -> list[Index]:
    return sorted(set(indexes.indexes), key=lambda each: json.dumps(each.to_json(whole=True)))


def _sorted_overrides(indexes: Indexes) -> list[FieldOverride]:
    return sorted(set(indexes.overrides), key=lambda each: json.dumps(each.to_json()))


# --- gcloud ---


def to_gcloud(indexes: Indexes, *, project: str | None = None, database: str | None = None) -> list[str]:
    """Returns the commands of `gcloud` that create indexes, one for each, quoted for a shell.

    Args:
        indexes: The indexes.
        project: The project; by default, that of gcloud's configuration.
        database: The id of the database; by default, `(default)`.
    """
    place = [f"--{name}={value}" for name, value in (("project", project), ("database", database)) if value]
    commands = [["indexes", "composite", "create", *_composite_options(each)] for each in _sorted_indexes(indexes)]
    for override in _sorted_overrides(indexes):
        name = EVERY_FIELD if override.path is None else str(override.path)
        group = f"--collection-group={override.collection}"
        if override.indexes is not None and override.indexes != AUTOMATIC:
            options = [
                "--index=" + ",".join(f"{key}={_plain(value)}" for key, value in _renamed(form).items())
                for form in forms_of(override.indexes)
            ]
            commands.append(["indexes", "fields", "update", name, group, *(options or ["--disable-indexes"])])
        if override.ttl is not None:
            flag = "--enable-ttl" if override.ttl else "--disable-ttl"
            commands.append(["fields", "ttls", "update", name, group, flag])
    return [shlex.join(["gcloud", "firestore", *command, *place]) for command in commands]


def _composite_options(index: Index) -> Iterator[str]:
    definition = index.to_json()
    yield f"--collection-group={index.collection}"
    yield f"--query-scope={_plain(index.scope)}"
    for name, value in index.settings:
        yield f"--{_dashed(name)}={_plain(str(json.loads(value)))}"
    for field in definition["fields"]:
        path = field.pop("fieldPath")
        if "vectorConfig" in field:
            # gcloud takes JSON with texts here.
            config = json.dumps({"dimension": str(field["vectorConfig"]["dimension"]), "flat": "{}"})
            yield f"--field-config=field-path={path},vector-config={config}"
        else:
            ((key, value),) = _renamed(field).items()
            yield f"--field-config=field-path={path},{key}={_plain(value)}"


def _renamed(form: dict[str, str]) -> dict[str, str]:
    return {_dashed(name): value for name, value in form.items()}


def _dashed(name: str) -> str:
    return re.sub(r"[A-Z]", lambda found: f"-{found[0].lower()}", name)


def _plain(value: str) -> str:
    return value.lower().replace("_", "-")


# --- Terraform ---


def to_terraform(indexes: Indexes, *, project: str | None = None, database: str | None = None) -> str:
    """Returns resources of Terraform's provider for Google Cloud, one for each index and each field.

    Args:
        indexes: The indexes.
        project: The project; by default, that of the provider.
        database: The id of the database; by default, `(default)`.
    """
    place = {name: value for name, value in (("project", project), ("database", database)) if value}
    names: set[str] = set()
    blocks: list[str] = []
    for index in _sorted_indexes(indexes):
        fields = index.to_json()["fields"]
        settings = {_snake(name): json.loads(value) for name, value in index.settings}
        lines = _arguments({**place, "collection": index.collection, "query_scope": index.scope, **settings})
        for field in fields:
            config = field.pop("vectorConfig", None)
            inner = _arguments({_snake(name): value for name, value in field.items()})
            if config is not None:
                inner += ["", *_block("vector_config", [*_arguments({"dimension": config["dimension"]}), "flat {}"])]
            lines += ["", *_block("fields", inner)]
        name = _unique(names, "_".join([index.collection, *(each["fieldPath"] for each in fields)]))
        blocks.append("\n".join(_block(f'resource "google_firestore_index" "{name}"', lines)))
    for override in _sorted_overrides(indexes):
        field_name = EVERY_FIELD if override.path is None else str(override.path)
        lines = _arguments({**place, "collection": override.collection, "field": field_name})
        if override.indexes is not None:
            inner = [
                line
                for form in forms_of(override.indexes)
                for line in _block("indexes", _arguments({_snake(name): value for name, value in form.items()}))
            ]
            lines += ["", *_block("index_config", inner)]
        if override.ttl:
            lines += ["", "ttl_config {}"]
        name = _unique(names, f"{override.collection}_{field_name}")
        blocks.append("\n".join(_block(f'resource "google_firestore_field" "{name}"', lines)))
    return "\n\n".join(blocks) + ("\n" if blocks else "")


def _block(head: str, lines: list[str]) -> list[str]:
    return [f"{head} {{", *(f"  {line}" if line else "" for line in lines), "}"] if lines else [f"{head} {{}}"]


def _arguments(values: dict[str, Any]) -> list[str]:
    width = max(map(len, values))
    return [f"{name:{width}} = {_literal(value)}" for name, value in values.items()]


def _literal(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    # Terraform would evaluate what stands in these.
    return text.replace("${", "$${").replace("%{", "%%{")


def _snake(name: str) -> str:
    return _dashed(name).replace("-", "_")


def _unique(names: set[str], text: str) -> str:
    name = re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_") or "every_field"
    name = f"index_{name}" if name[0].isdigit() else name
    found, number = name, 1
    while found in names:
        number += 1
        found = f"{name}_{number}"
    names.add(found)
    return found
