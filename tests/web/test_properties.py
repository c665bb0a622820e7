"""What pydantic makes of models drawn at random."""

from __future__ import annotations

import json
from typing import Any

import jsonschema  # type: ignore[import-untyped]
from cendry import Patch, to_dict
from core.strategies import documents
from hypothesis import given, settings
from pydantic import TypeAdapter


@given(documents("json"))
@settings(max_examples=30)
def test_any_model_comes_back(document: Any) -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(type(document))
    dumped = adapter.dump_json(document)
    assert to_dict(document, include_id=True, mode="json") == json.loads(dumped)
    assert document == adapter.validate_json(dumped) == adapter.validate_python(json.loads(dumped))
    assert document == adapter.validate_python(adapter.dump_python(document))
    assert adapter.dump_python(document, mode="json") == json.loads(dumped)


@given(documents("json"))
@settings(max_examples=20)
def test_any_model_fits_its_schema(document: Any) -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(list[type(document)])  # type: ignore[misc, arg-type]
    schema = adapter.json_schema()
    assert schema == adapter.json_schema(mode="serialization")
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(adapter.dump_json([document])), schema, jsonschema.Draft202012Validator)


@given(documents("json"))
@settings(max_examples=20)
def test_any_field_can_be_changed(document: Any) -> None:
    model = type(document)
    adapter: TypeAdapter[Any] = TypeAdapter(Patch[model])  # type: ignore[valid-type]
    data = to_dict(document, mode="json")
    patch = adapter.validate_python(data)
    assert {name: getattr(document, name) for name in data} == patch
    assert patch == adapter.validate_json(adapter.dump_json(patch)) == adapter.validate_python(dict(patch))
    assert data == adapter.dump_python(patch, mode="json")
    jsonschema.validate(data, adapter.json_schema(), jsonschema.Draft202012Validator)
