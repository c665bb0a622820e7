"""Tagged models: which class of a family a document is of, and its compiled code. Nothing is decoded here."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any, Final, Generic, TypeVar, cast

from .._types.families import Family
from .._types.shapes import UNTAGGED
from ..errors import Code, DecodeError, Problem, near_names
from ..paths import exact_text
from ..plan import MISSING
from .leaves import show
from .reading import Reading

F = TypeVar("F", bound=Callable[..., Any])

_MOST_SHOWN: Final = 5


class Mistagged(Exception):
    """Data whose tag leads to no class that was asked for.

    Attributes:
        field: The stored name of the tag.
        expected: The tags that fit.
        found: The tag.
        code: As in `Problem`.
        nearest: Tags that are similar.
        is_other_kind: Whether the data is that of another class, rather than of none.
    """

    def __init__(
        self,
        field: str,
        expected: str,
        found: str,
        *,
        code: Code = "tag",
        nearest: tuple[str, ...] = (),
        is_other_kind: bool = False,
    ) -> None:
        super().__init__(field)
        self.field = field
        self.expected = expected
        self.found = found
        self.code: Code = code
        self.nearest = nearest
        self.is_other_kind = is_other_kind

    def decode_error(self, path: str | None, model: type[Any]) -> DecodeError:
        """The same as an error about a document."""
        name = model.__qualname__
        return DecodeError(path, name, self.field, self.expected, self.found, is_other_kind=self.is_other_kind)

    def problem(self) -> Problem:
        """The same as a problem of data."""
        return Problem(self.field, self.expected, self.found, self.code, self.nearest)


class Dispatch(Generic[F]):
    """The code for the class of each document.

    Attributes:
        table: The code by tag, as far as it is known: weak references, so that no class is kept alive.

    Args:
        family: The family.
        model: The class that is asked for.
        code_of: Returns the code for a class of the family.
    """

    def __init__(self, family: Family, model: type[Any], code_of: Callable[[type[Any]], F]) -> None:
        self.table = family.table()
        self._family = family
        self._model = model
        self._code_of = code_of

    def find(self, found: Any, path: str | None, key: Any) -> F:
        """The code for a stored tag that is not in the table; `MISSING` for a document without one.

        Args:
            found: The tag.
            path: The path of the document, for the error.
            key: The key of the tag in the table.

        Raises:
            DecodeError: It is not the tag of the class that was asked for, nor of a subclass.
        """
        try:
            cls = class_by_stored(self._family, self._model, found)
        except Mistagged as error:
            raise error.decode_error(path, self._model) from None
        code = self._code_of(cls)
        # There is no limit to the unknown tags that may be read as the root.
        if found is MISSING or cast("Any", cls).__cendry_tag__ is not None:
            self.table[key] = weakref.ref(code)
        return code


def is_of(model: type[Any], data: dict[str, Any]) -> bool:
    """Whether a document with this data is one of a class with a tag, or of one of its subclasses."""
    family: Family = cast("Any", model).__cendry_family__
    try:
        class_by_stored(family, model, data.get(family.field, MISSING))
    except Mistagged:
        return False
    return True


def class_by_stored(family: Family, model: type[Any], found: Any) -> type[Any]:
    """The class of a document with this tag, which may be `MISSING`.

    Raises:
        Mistagged: It is not the class that was asked for, nor a subclass of it.
    """
    cls = _class_of(family, found)
    if cls is None and family.takes_any:
        cls = family.root
    if cls is not None and issubclass(cls, model):
        return cls
    is_other_kind = model is not family.root
    raise Mistagged(family.field, _expected(family, model), _shown(found, cls), is_other_kind=is_other_kind)


def class_by_data(family: Family, model: type[Any], found: Any, reading: Reading) -> type[Any]:
    """The class of data from users with this tag, which may be `MISSING`: then it is that of the class asked for.

    Raises:
        Mistagged: It is not the class that was asked for, nor a subclass of it.
    """
    is_root = model is family.root
    if found is MISSING:
        tag = cast("Any", model).__cendry_tag__
        if tag is None or (not is_root and tag is not UNTAGGED):
            return model
        raise Mistagged(family.field, _expected(family, model), "nothing", code="missing")
    cls = _class_of(family, found)
    if cls is None and family.takes_any and is_root and not reading.rejects_unknown(model):
        return model
    if cls is not None and issubclass(cls, model):
        return cls
    names = [tag for tag in family.tags_of(model) if isinstance(tag, str)]
    near = near_names(found, names, 2) if cls is None else ()
    hint = f" (did you mean {' or '.join(map(repr, near))}?)" if near else ""
    raise Mistagged(family.field, _expected(family, model), f"{_shown(found, cls)}{hint}", nearest=near)


def _class_of(family: Family, found: Any) -> type[Any] | None:
    if isinstance(found, str):
        return family.class_of(exact_text(found))
    if isinstance(found, (list, tuple)):
        parts = cast("Sequence[Any]", found)
        return family.class_of(tuple(map(exact_text, parts))) if all(isinstance(each, str) for each in parts) else None
    return None


def _shown(found: Any, cls: type[Any] | None) -> str:
    if found is MISSING:
        return "nothing"
    return show(found) if cls is None else f"{show(found)} ({cls.__qualname__})"


def _expected(family: Family, model: type[Any]) -> str:
    """The tags of a class, each with its class, as unions of classes show theirs."""
    classes = family.classes_of(model)
    shown = [f"{tag!r} ({cls.__qualname__})" for tag, cls in islice(classes.items(), _MOST_SHOWN)]
    if len(classes) > len(shown):
        shown.append(f"{len(classes) - len(shown)} more")
    return " or ".join(shown) or f"the tag of a subclass of {model.__qualname__}, which has none"
