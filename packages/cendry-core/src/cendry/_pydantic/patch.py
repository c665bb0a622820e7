"""Changes of some fields of a document, from outside: the body of a PATCH, and what `update` takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, Generic, TypeGuard, TypeVar, cast, final

from .._frozen import source
from .._lazy import module
from .._model.model import Model
from ..codec import Codec, codec_for
from ..codec.inputs import read_changes
from ..codec.reading import Reading
from ..errors import Problem, ValidationError

__all__ = ["Patch"]

M = TypeVar("M", bound=Model)


@final
class Patch(Mapping[str, Any], Generic[M]):
    """New values of some fields of a document: a body of FastAPI, and the changes that `update` takes.

    As the type of a body, `Patch[Task]` takes any of the fields, but never the id nor the tag of a tagged model, and
    at least one. A map in it is complete, and replaces the whole map; `None` is for fields that can be `None`. With
    `Patch[Annotated[Task, Without("owner")]]`, fields that are left out can't be changed.

    It is a mapping of Python values by Python name, and immutable; `ctx.update(Task, id, patch)` and
    `ctx.update(task, patch)` write it, in batches and transactions too.

    Args:
        model: The class.
        changes: The values, as in `from_dict`.

    Raises:
        ValidationError: Values don't fit their fields, or there are none.
        TypeError: It is not a Model class, or not a mapping.
    """

    __slots__ = ("_values", "model")
    model: type[M]
    _values: dict[str, Any]

    def __init__(self, model: type[M], changes: Mapping[str, Any]) -> None:
        if getattr(model, "__cendry_kind__", None) != "model" or not isinstance(cast("object", model), type):
            raise TypeError(f"Patch takes a Model class, not {model!r}.")
        if not isinstance(cast("object", changes), Mapping):
            raise TypeError(f"Patch takes a dict of values by name, not {changes!r}.")
        values, problems = changes_in(codec_for(model), changes, _READING)
        if problems:
            raise ValidationError(model.__qualname__, problems)
        _init(self, model, values)

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"Patch is immutable; can't set {name!r}.")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"Patch is immutable; can't delete {name!r}.")

    def __repr__(self) -> str:
        hidden = {field.name for field in codec_for(self.model).shape.fields if field.hidden}
        shown = (f"{name!r}: {'...' if name in hidden else source(value)}" for name, value in self._values.items())
        return f"Patch({self.model.__qualname__}, {{{', '.join(shown)}}})"

    def __reduce__(self) -> tuple[Any, ...]:
        return patch_of, (self.model, self._values)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any, /) -> Any:
        """Changes as a type of pydantic."""
        return module("_pydantic.hooks").of_patch(source, handler)


_READING: Final = Reading("python", python_values=True, extra="forbid")


def patch_of(model: type[M], values: dict[str, Any]) -> Patch[M]:
    """A patch of values that were checked."""
    patch = cast("Patch[M]", object.__new__(Patch))
    _init(patch, model, values)
    return patch


def is_patch(value: object) -> TypeGuard[Patch[Any]]:
    """Whether it is a patch; with `isinstance` alone, type checkers would lose the type argument."""
    return isinstance(value, Patch)


def _init(patch: Patch[Any], model: type[Any], values: dict[str, Any]) -> None:
    object.__setattr__(patch, "model", model)
    object.__setattr__(patch, "_values", values)


def changes_in(codec: Codec[Any], data: Mapping[str, Any], reading: Reading) -> tuple[dict[str, Any], list[Problem]]:
    """The values of a patch, and what is wrong with the data."""
    values, problems = read_changes(codec, data, reading)
    if not values and not problems:
        problems = [Problem("", "at least one field", "none", "min_length")]
    return values, problems


def named_changes(patch: Patch[Any]) -> Iterator[tuple[Any, Any]]:
    """The fields of a patch, which know whose they are, and their values."""
    for name, value in patch.items():
        yield getattr(patch.model, name), value
