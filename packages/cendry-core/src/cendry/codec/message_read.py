"""Access to the values in a database's own messages, and the source that creates instances from them.

Anything else falls back to stored values and the reader.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from .._types.kinds import ROW, ROWS, Kind
from .._types.shapes import Record
from .dialect import Dialect
from .emit import Fallback, Module
from .emit_read import ReadEmitter

_MARKED: Final = frozenset(row.name for row in ROWS if row.marker)


class MessageRead:
    """Access to messages: values are `Value` messages, and `base` is what the dialect needs to read them."""

    passed = ", base"
    # Looking up a missing key in a protobuf map would add it.
    missing = False

    def __init__(self, module: Module, dialect: Dialect) -> None:
        self.module = module
        self.fields, self.inner = dialect.values.fields, dialect.values.inner
        self.markers = [row.marker for row in ROWS if row.marker and row.name in self.fields]
        for name in ("decode_fields", "decode_reference", "decode_value"):
            module.known(name, getattr(dialect.values, name))

    def has(self, value: str, kind: Kind) -> str:
        """The source of a test for a message's field."""
        return f"{value}.HasField({self.fields[kind]!r})"

    def take(self, kind: Kind, value: str, *, checked: bool = True) -> tuple[str, str]:
        row, field = ROW[kind], self.fields.get(kind)
        if field is None:
            return "", ""
        found = self.module.fresh("x")
        if row.plain:
            # A truthy value proves its kind; the others have to be tested.
            return f"(({found} := {value}.{field}) or {value}.HasField({field!r}))", found
        if row.read_source:
            return self.has(value, kind), row.read_source.format(v=value, field=field, x=found)
        # An invalid value of the kind is read as something else.
        read = "decode_reference" if kind == "reference" else "decode_value"
        test = self.module.is_exactly(row.python, f"({found} := {read}({value}, base))")
        return f"{self.has(value, kind)} and {test}", found

    def array(self, value: str) -> tuple[str, str]:
        return self.has(value, "array"), f"{value}.{self.fields['array']}.values"

    def map(self, value: str) -> tuple[str, str]:
        fields = self.module.fresh("f")
        own = f"({fields} := {value}.{self.fields['map']}.{self.inner})"
        if not self.markers:
            # The map itself may be empty, and so falsy.
            return f"({self.has(value, 'map')} and {own} is not None)", fields
        tests = [f"{marker!r} not in {fields if index else own}" for index, marker in enumerate(self.markers)]
        return f"({self.has(value, 'map')} and {' and '.join(tests)})", fields

    def stored(self, value: str) -> str:
        return f"decode_value({value}, base)"

    def stored_fields(self, fields: str) -> str:
        return f"decode_fields({fields}, base)"

    def kind(self, value: str) -> tuple[list[str], Callable[[Kind], str]]:
        def is_kind(kind: Kind) -> str:
            # A map can represent another kind; only the reader can determine that.
            return "" if kind in _MARKED else f"kind == {self.fields[kind]!r}"

        return [f"kind = {value}.WhichOneof('value_type')"], is_kind

    def refuse_others(self, keys: str) -> list[str]:
        return ["for key in data:", f"    if key not in {keys}:", "        refuse()"]

    def required(self, key: str) -> str:
        return f"v = data[{key!r}] if {key!r} in data else refuse()"

    def unless_current(self, key: str, version: int) -> list[str]:
        # An integer other than 0 proves its kind.
        differs = f"v.{self.fields['int']} != {version}"
        test = f"v is not None and {differs}" if version == 1 else f"v is None or {differs}"
        return [f"v = data.get({key!r})", f"if {test}:", "    return upgrade(data, document_id, path, base)"]


def emit_message_decode(
    module: Module, record: Record, dialect: Dialect, fallback: Fallback, version: int | None = None
) -> None:
    """Write `decode(data, document_id, path, base)` for a class of documents.

    Errors in it are explained by `explain(error, data, document_id, path, base)`, which the module must define. With a
    version, documents of any other go to `upgrade(data, document_id, path, base)`.
    """
    emitter = ReadEmitter(module, MessageRead(module, dialect), dialect.reading, fallback)
    body = emitter.record_body(record, "document_id")
    before = () if version is None else emitter.access.unless_current(record.version_field, version)
    emitter.document("decode", "data, document_id, path, base", body, before)
