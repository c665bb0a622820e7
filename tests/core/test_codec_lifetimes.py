"""What is compiled lives as long as its class and its registry, its source for debuggers included."""

from __future__ import annotations

import gc
import linecache
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from cendry._types.registry import TypeRegistry
from cendry.codec import codec_for
from cendry.codec.message import decoder, encoder
from cendry.convert import from_dict, to_dict
from cendry_datastore._dialect import DATASTORE
from cendry_datastore._keys import Partition
from cendry_firestore._dialect import FIRESTORE
from making import make_map, make_model


def sources() -> set[str]:
    gc.collect()
    return {name for name in linecache.cache if name.startswith("<cendry ")}


def registry_of_my_own(parent: TypeRegistry | None = None) -> TypeRegistry:
    registry = TypeRegistry(parent=parent)
    registry.register(complex, serialize=str, deserialize=complex)
    registry.register(lambda cls: cls is range, serialize=list, deserialize=lambda items: range(len(items)))
    return registry


@pytest.fixture
def model() -> Any:
    return make_model({"part": make_map({"x": list[str]}), "y": dict[str, int], "z": Any})


def use_stored_values(model: Any, registry: TypeRegistry) -> None:
    codec = codec_for(model, registry)
    stored = {"part": {"x": ["a"]}, "y": {}, "z": 1}
    assert stored == codec.encode(codec.decode(stored))
    assert ["a"] == codec.resolve(("part", "x")).encode(["a"])


def use_user_data(model: Any, registry: TypeRegistry) -> None:
    data = {"part": {"x": ["a"]}, "y": {}, "z": 1}
    assert data == to_dict(from_dict(model, data, registry=registry), registry=registry)


def use_messages(dialect: Any, base: Any) -> Callable[[Any, TypeRegistry], None]:
    def use(model: Any, registry: TypeRegistry) -> None:
        codec = codec_for(model, registry)
        instance = codec.decode({"part": {"x": ["a"]}, "y": {}, "z": 1})
        message = encoder(codec, dialect, base)(instance).message
        fields = getattr(message, dialect.values.inner)
        assert instance == decoder(codec, dialect)(fields, None, "docs/i", base)  # type: ignore[arg-type]

    return use


@pytest.mark.parametrize(
    "use",
    [
        use_stored_values,
        use_user_data,
        use_messages(FIRESTORE, "projects/p/databases/(default)"),
        use_messages(DATASTORE, Partition("project", "", "")),
    ],
    ids=["stored values", "user data", "Firestore's messages", "Datastore's messages"],
)
def test_a_registry_that_nobody_holds_leaves_nothing_behind(model: Any, use: Any) -> None:
    before = sources()
    parent = registry_of_my_own()
    registry = registry_of_my_own(parent)
    use(model, registry)
    assert len(sources() - before) >= 2
    gone: list[weakref.ref[Any]] = [weakref.ref(registry), weakref.ref(parent)]
    gone.append(weakref.ref(codec_for(model, registry)))
    del registry, parent
    assert set() == sources() - before
    assert [None, None, None] == [each() for each in gone]
    assert [] == list(model.__cendry_codecs__)


def test_a_codec_outlives_its_registry_where_it_is_held() -> None:
    # The fields of the Map are looked at after the registry is gone.
    codec = codec_for(make_model({"part": make_map({"x": str})}), registry_of_my_own())
    gc.collect()
    assert {"part": {"x": "a"}} == codec.encode(codec.decode({"part": {"x": "a"}}))


def test_what_a_registration_made_stale_goes(model: Any) -> None:
    registry = registry_of_my_own()
    use_stored_values(model, registry)
    before = sources()
    for _ in range(3):
        registry.register(bytes, serialize=bytes.hex, deserialize=bytes.fromhex)
        use_stored_values(model, registry)
    assert len(before) == len(sources())


def test_source_is_there_as_long_as_its_function(model: Any) -> None:
    before = sources()
    decode = codec_for(model, registry_of_my_own()).decode
    assert 1 == len(sources() - before)
    del decode
    assert set() == sources() - before
