"""Decode options: how stored data, or data from users, are read."""

from __future__ import annotations

from typing import Any, Literal

from .._immutable import dataclass
from .._types.shapes import Record, RecordField
from .leaves import FINITE_VALUES, JSON_VALUES, STORED_VALUES, AnyValues

Extra = Literal["ignore", "forbid", "keep"]

ExtraPolicy = Literal["ignore", "forbid", "keep", "as_declared"]
"""How unknown keys are handled; `as_declared` forbids them, unless a class says that it ignores them."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Decode options.

    Attributes:
        names: Whether the keys of the data are stored names or Python names.
        python_values: Whether Python values are accepted as well as stored ones, and the limits of Firestore are
            checked, as for data from users. Such data is copied, since it belongs to the caller.
        extra: How unknown keys are handled; `None` leaves it to each class.
        id_key: Whether the data of a Model may contain its `id`.
        parts: What to do about a field of which only parts are stored, under its name with a dot and more after it.
            Empty if that means nothing, as in Firestore; otherwise such a field is a problem.
        json: Whether values have the forms that JSON holds, rather than those that are stored; with `"also"`, Python
            values are accepted too. Empty if not.
    """

    names: Literal["stored", "python"] = "stored"
    python_values: bool = False
    extra: ExtraPolicy | None = None
    id_key: bool = False
    parts: str = ""
    json: Literal["", "only", "also"] = ""

    @property
    def objects(self) -> bool:
        """Whether Python values are accepted as well."""
        return self.python_values and self.json != "only"

    @property
    def any_values(self) -> AnyValues:
        """What is accepted where no type is declared; Python values as well, if they are accepted anywhere."""
        match self.json:
            case "only":
                return JSON_VALUES
            case "also":
                return FINITE_VALUES
            case _:
                return STORED_VALUES

    def key(self, field: RecordField) -> str:
        """The key of a field in the data."""
        return field.stored if self.names == "stored" else field.name

    def keys(self, field: RecordField) -> tuple[str, ...]:
        """The keys under which a field may be in the data, best first."""
        return (field.stored, *field.also) if self.names == "stored" else (field.name,)

    def forbids(self, record: Record) -> bool:
        """Whether unknown keys of a record are a problem."""
        if record.extra == "allow":
            return False
        if self.extra in ("forbid", "as_declared"):
            return self.rejects_unknown(record.python)
        policy = self.extra or record.extra or getattr(record.python, "__cendry_extra__", None)
        return policy == "forbid"

    def rejects_unknown(self, python: type[Any]) -> bool:
        """Whether data for a class may have nothing unknown in it."""
        if self.extra == "as_declared":
            return not getattr(python, "__cendry_ignores__", False)
        return self.extra == "forbid"


STORED = Reading()
"""The decode options for documents."""
