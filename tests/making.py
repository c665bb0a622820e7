"""Makes models at run time, for tests that go through many types."""

from __future__ import annotations

import types
from typing import Annotated, Any

from cendry._model.fields import Field, field
from cendry._model.model import Map, Model


def make_class(name: str, base: type[Any], annotations: dict[str, Any], **keywords: Any) -> Any:
    """A class with these fields, whose annotations are the `T`s of `Field[T]` or `(T, field(...))`."""

    def body(namespace: dict[str, Any]) -> None:
        namespace["__module__"] = __name__
        namespace["__annotations__"] = {
            field_name: Annotated[Field[given[0]], given[1]] if isinstance(given, tuple) else Field[given]  # type: ignore[valid-type]
            for field_name, given in annotations.items()
        }

    return types.new_class(name, (base,), keywords, body)


def make_model(annotations: dict[str, Any], **keywords: Any) -> Any:
    """A `Model` with these fields."""
    return make_class("Doc", Model, annotations, collection="docs", **keywords)


def make_map(annotations: dict[str, Any], name: str = "Part", **keywords: Any) -> Any:
    """A `Map` with these fields."""
    return make_class(name, Map, annotations, **keywords)


def one_field(annotation: Any, **options: Any) -> Any:
    """A `Model` with one field, `x`."""
    return make_model({"x": (annotation, field(**options))})
