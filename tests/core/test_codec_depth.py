"""Types as deep as Firestore allows, through every emitter: stored values, user data, and both databases' messages."""

from __future__ import annotations

from typing import Any

import pytest
from cendry.codec import Codec, codec_for
from cendry.codec.message import compile_decoder, compile_encoder
from cendry.convert import from_dict, to_dict, validate
from cendry.errors import InvalidValueError
from cendry_datastore._dialect import DATASTORE
from cendry_datastore._keys import Partition
from cendry_firestore._dialect import FIRESTORE
from deep import WRAPS, deep
from making import one_field

MESSAGES = {
    "Firestore": (FIRESTORE, "projects/p/databases/(default)"),
    "Datastore": (DATASTORE, Partition("project", "", "")),
}


@pytest.fixture(params=WRAPS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def of(kind: str) -> tuple[Codec[Any], Any]:
    """The codec of a model whose only field is nested in this way, and an instance."""
    annotation, value = deep(kind)
    model = one_field(annotation)
    return codec_for(model), model(x=value)


def test_stored_values(kind: str) -> None:
    codec, instance = of(kind)
    assert instance == codec.decode(codec.encode(instance))


def test_values_of_a_field(kind: str) -> None:
    codec, instance = of(kind)
    field = codec.resolve(("x",))
    assert codec.encode(instance)["x"] == field.encode(instance.x)
    assert instance.x == field.decode(field.encode(instance.x))


def test_user_data(kind: str) -> None:
    codec, instance = of(kind)
    data = to_dict(instance)
    assert data == codec.encode(instance)
    assert instance == from_dict(codec.model, data)
    assert [] == validate(codec.model, data)


@pytest.mark.parametrize("database", MESSAGES)
def test_messages(kind: str, database: str) -> None:
    codec, instance = of(kind)
    dialect, base = MESSAGES[database]
    message = compile_encoder(codec, dialect)(instance, dialect.new_document(), base)
    fields = getattr(message, dialect.values.inner)
    assert codec.encode(instance) == dialect.values.decode_fields(fields, base)
    assert instance == compile_decoder(codec, dialect)(fields, None, "docs/i", base)  # type: ignore[arg-type]


def test_one_level_more_is_refused_when_there_is_such_a_value(kind: str) -> None:
    annotation, value = deep(kind)
    model = one_field(dict[str, annotation])  # type: ignore[valid-type]
    assert {"x": {}} == codec_for(model).encode(model(x={}))
    with pytest.raises(InvalidValueError, match="at most 20 maps and arrays inside each other"):
        codec_for(model).encode(model(x={"a": value}))


def test_what_is_wrong_at_the_bottom_is_named() -> None:
    codec, _ = of("dicts")
    data: Any = "text"
    for _ in range(20):
        data = {"a": data}
    (problem,) = validate(codec.model, {"x": data})
    assert ("x" + ".a" * 20, "int", "str 'text'") == (problem.path, problem.expected, problem.found)
