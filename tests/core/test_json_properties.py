"""For every model and every value: JSON loses nothing, and the compiled way is the interpreted way."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cendry import DecodeError, from_dict, to_dict, validate
from cendry.codec import codec_for
from cendry.codec.reader import Reader, Reading
from cendry.codec.writer import Writer
from core.foreign import Holder, holders
from core.strategies import Case, cases, documents
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from making import one_field

pytestmark = pytest.mark.slow

JSON = Reading("python", python_values=True, extra="forbid", id_key=True, json="only")
BOTH = Reading("python", python_values=True, extra="forbid", id_key=True, json="also")
several = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def through_text(data: Any) -> Any:
    return json.loads(json.dumps(data, allow_nan=False))


@several
@given(documents("json"))
def test_every_document_survives_json(document: Any) -> None:
    model = type(document)
    codec = codec_for(model)

    data = through_text(to_dict(document, include_id=True, mode="json"))
    assert document == from_dict(model, data, include_id=True, mode="json")
    assert [] == validate(model, data, include_id=True, mode="json")
    stored = through_text(to_dict(document, by_alias=True, mode="json"))
    assert document == from_dict(model, stored, doc_id=document.id, by_alias=True, mode="json")

    # The compiled way and the interpreted way agree.
    fields = to_dict(document, mode="json")
    assert repr(fields) == repr(Writer("python", json=True).fields(codec.shape, document, "", 0))
    assert document == Reader(JSON).fields(codec.shape, fields, "", 0, document.id)

    # Where Python values are taken as well, JSON still is.
    assert document == codec.decoder(BOTH)(fields, document.id)
    assert document == Reader(BOTH).fields(codec.shape, fields, "", 0, document.id)
    attributes = {field.name: getattr(document, field.name) for field in codec.shape.fields}
    assert document == codec.decoder(BOTH)(attributes, document.id)
    assert document == Reader(BOTH).fields(codec.shape, attributes, "", 0, document.id)


@several
@given(holders)
def test_classes_of_other_libraries_survive_json(holder: Holder) -> None:
    data = through_text(to_dict(holder, include_id=True, mode="json"))
    assert holder == from_dict(Holder, data, include_id=True, mode="json")


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.dates() | st.binary(max_size=2),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=5,
)


@several
@given(cases(what="json"), junk)
def test_odd_data_either_fits_or_is_named(case: Case, data: Any) -> None:
    model = one_field(case[0])
    problems = validate(model, {"x": data}, mode="json")
    if problems:
        with pytest.raises((DecodeError, TypeError)):
            from_dict(model, {"x": data}, mode="json")
        return
    found = from_dict(model, {"x": data}, mode="json")
    assert found == from_dict(model, through_text(to_dict(found, mode="json")), mode="json")


@several
@given(documents())
def test_what_json_cannot_hold_is_refused(document: Any) -> None:
    try:
        data = to_dict(document, mode="json")
    except TypeError:
        # A union whose members look alike, or a value: InvalidValueError is a TypeError.
        return
    assert document == from_dict(type(document), through_text(data), doc_id=document.id, mode="json")
