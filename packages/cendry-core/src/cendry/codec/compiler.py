"""The compiler: from a class to its encoder and decoder, once per class and registry at first use."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import cached_property, partial
from typing import Any, Final, Generic, TypeVar, cast

from .._immutable import replace
from .._interop.google import class_of
from .._types.evolutions import Evolution, evolution_of
from .._types.families import Family
from .._types.foreign import can_refuse, style_of
from .._types.hints import record_of
from .._types.kinds import Mismatch, refuse
from .._types.registry import TypeRegistry, default_registry
from .._types.shapes import (
    MAX_DEPTH,
    UNTAGGED,
    Anything,
    Converted,
    DocumentId,
    EnumMember,
    MemberName,
    OneValue,
    Record,
    RecordField,
    Reference,
    Scalar,
    SdkValue,
    Shape,
    Subset,
    Tagged,
    bare,
    can_exceed_depth,
    has_rules,
    has_whole_rules,
    hides,
    union_of,
)
from .._types.subsets import restricted
from ..errors import DecodeError, InvalidValueError, Problem, UnknownFieldError, ValidationError, untagged
from ..paths import DOCUMENT_ID, FieldPath, LongPathError, exact_text, shortened
from ..plan import MISSING, put_at, remove_at, value_at
from .change_writer import NESTED, UNMERGED, ChangeWriter, removals
from .checker import FAILED, Checker, converted
from .emit import Fallback, Module
from .emit_read import ReadEmitter, dict_reader, emit_decode, emit_read_value
from .emit_write import emit_encode, emit_write_value
from .leaves import deeper_than
from .reader import Compiled, Reader, refusal_of
from .reading import STORED, Reading
from .resolve import Mask, ResolvedField, element_of, guarded, hides_stored, joined, step, text_of, unknown_field
from .tagged import Dispatch, Mistagged, class_by_data
from .upgrading import outdated, run_upgrades, storable
from .writer import Names, Writer

M = TypeVar("M")
V = TypeVar("V")

_SINGLE: Final = (Scalar, Converted, EnumMember, OneValue, Reference, SdkValue)
"""The shapes of values that contain no others."""

_CODECS: Final = "__cendry_codecs__"


def codec_for(cls: type[M], registry: TypeRegistry = default_registry) -> Codec[M]:
    """The codec of a `Model` or `Map` for a registry; it is compiled again after a type is registered.

    Raises:
        TypeError: The class is neither, or a type in it can't be stored.
    """
    known: dict[int, Codec[M]] | None = cls.__dict__.get(_CODECS)
    if known is not None:
        codec = known.get(id(registry))
        if codec is not None and codec.version == registry.version:
            return codec
    elif style_of(cls) not in ("model", "map"):
        raise TypeError(f"{cls!r} is neither a Model nor a Map.")
    else:
        known = {}
        type.__setattr__(cls, _CODECS, known)
    return _remembered(known, cls, registry)


def _remembered(known: dict[int, Codec[M]], cls: type[M], registry: TypeRegistry) -> Codec[M]:
    """Compile a codec and keep it as long as its registry; a `WeakKeyDictionary` is too slow for a hot path."""
    key = id(registry)
    codec = known[key] = Codec(cls, registry)
    codec.registry = weakref.ref(registry, lambda _: known.pop(key, None))
    return codec


class Codec(Generic[M]):
    """Turns instances of one class into stored data and back.

    Attributes:
        model: The class.
        version: The version of the registry that this was compiled with.
        registry: A weak reference to the registry.
        shape: The shape of the stored data.
        family: The family of a class that shares its collection with others, or `None`.
        evolution: The versions of a class that has some, or `None`.
        outputs: Objects derived from this codec, under keys of their owners: a backend keeps its compiled code here, so
            that it lives as long as the codec, and is compiled again with it.
    """

    def __init__(self, model: type[M], registry: TypeRegistry, shape: Record | None = None) -> None:
        self.model = model
        self.version = registry.version
        self.registry = weakref.ref(registry)
        style = style_of(model)
        assert style is not None
        self.shape: Record = shape or record_of(model, style, registry.known)
        self.family: Family | None = cast("Any", model).__cendry_family__
        self.evolution: Evolution | None = evolution_of(model)
        self._is_readable = False
        self._current: dict[Reading, Callable[..., M]] = {}
        self._current_own: dict[Reading, Callable[..., M]] = {}
        self._decoders: dict[Reading, Callable[..., M]] = {}
        self._resolved: dict[tuple[str | MemberName, ...], ResolvedField] = {}
        self._converters: dict[tuple[Shape, bool], tuple[Callable[[Any], Any], Callable[[Any], Any], bool]] = {}
        self._readers: dict[tuple[Reading, Shape], Compiled] = {}
        self._sources: list[str] = []
        self.outputs: dict[Any, Any] = {}

    @cached_property
    def decode(self) -> Callable[..., M]:
        """`decode(data, document_id=None, path=None)`: an instance from the stored fields of a document.

        With tags, it is one of the class or of a subclass. Raises `DecodeError`, with `path` in it, for the first field
        that doesn't fit. Documents of older versions are upgraded.
        """
        if self.evolution is None:
            return self.current(STORED)
        if self.family is None:
            return self._compile_decode(STORED, self.explain_decode, self.evolution)
        return self._decode_versioned(self.evolution)

    def _decode_versioned(self, evolution: Evolution) -> Callable[..., M]:
        evolution.check()
        read, field, version = self.current(STORED), evolution.version_field, evolution.version
        absent = 1 if version == 1 else None

        def decode(data: Any, document_id: str | None = None, path: str | None = None) -> M:
            # By identity, since True equals 1.
            if data.get(field, absent) is version:
                return read(data, document_id, path)
            return self.upgrade(STORED, data, document_id, path)

        return decode

    def upgrade(self, reading: Reading, data: Any, document_id: str | None = None, path: str | None = None) -> M:
        """As `decode`, for a document that may be of another version than the current one."""
        assert self.evolution is not None
        return outdated(self.evolution, self.model, self.current(reading), data, document_id, path)

    def upgraded_fields(self, data: dict[str, Any], version: int, path: str) -> dict[str, Any]:
        """The stored fields of an older document in the current version, as they may be written.

        Args:
            data: The stored fields, without the version. They are not changed.
            version: Their version.
            path: The path of the document.

        Raises:
            DecodeError: An upgrade fails, what the upgrades make can't be stored, or no class of the collection can
                read it. It is not written then, as the fields that it was made of would be lost.
        """
        assert self.evolution is not None
        after = run_upgrades(self.model, data, version, path)
        # Documents of all tags are in the collection.
        every = self if self.family is None else self.of(self.family.root)
        try:
            every.current(STORED)(after, path.rpartition("/")[2], path)
            return storable(self.model, version, data, after, path)
        except DecodeError as error:
            error.after_upgrade(version, self.evolution.version)
            raise

    def current(self, reading: Reading) -> Callable[..., M]:
        """As `decode`, for documents of the current version, with some decode options: the version is not looked at."""
        found = self._current.get(reading)
        if found is None:
            found = self._current[reading] = (
                self.current_own(reading) if self.family is None else self._decode_tagged(self.family, reading)
            )
        return found

    def current_own(self, reading: Reading) -> Callable[..., M]:
        """As `current`, for the documents of the class itself: the tag is not looked at either."""
        found = self._current_own.get(reading)
        if found is None:
            explain = self.explain_decode if reading == STORED else partial(self.explain_decode, reading=reading)
            found = self._current_own[reading] = self._compile_decode(reading, explain)
        return found

    def _decode_tagged(self, family: Family, reading: Reading) -> Callable[..., M]:
        dispatch = Dispatch(family, self.model, lambda cls: self.of(cls).current_own(reading))
        table, name, find = dispatch.table, family.field, dispatch.find

        def decode(data: Any, document_id: str | None = None, path: str | None = None) -> M:
            found: Any = data.get(name, MISSING)
            key: Any = found
            try:
                if class_of(found) is list:
                    key = tuple(found)
                known = table.get(key)
            except TypeError:  # It can't be hashed, so it is not a tag.
                key = known = None
            read: Callable[..., M] | None = None if known is None else known()
            return (read or find(found, path, key))(data, document_id, path)

        return decode

    def of(self, cls: type[Any]) -> Codec[Any]:
        """The codec of another class, with the same registry, and for the same subset of fields."""
        if cls is self.model:
            return self
        found: Codec[Any] = codec_for(cls, self.registry() or default_registry)
        return found if self.shape.subset is None else found.only(self.shape.subset)

    def only(self, subset: Subset) -> Codec[M]:
        """The codec for a subset of the fields: it reads and writes no others."""
        return self.derived(restricted(self.shape, subset))

    def derived(self, shape: Shape) -> Codec[M]:
        """The codec for another shape of the same class."""
        known = self.outputs.get(shape)
        if known is None:
            record = cast("Record", shape)
            known = self.outputs[shape] = Codec(self.model, self.registry() or default_registry, record)
        return cast("Codec[M]", known)

    @cached_property
    def encode(self) -> Callable[[M], dict[str, Any]]:
        """`encode(instance)`: the stored fields of a document, which share nothing with the instance.

        Raises `ValidationError` if fields don't fit, or if the instance breaks a rule of its class.
        """
        return self.refuse if self.is_untagged else self._compile_encode("stored", ruled=True)

    @property
    def is_untagged(self) -> bool:
        """Whether only instances of subclasses can be stored."""
        return self.family is not None and cast("Any", self.model).__cendry_tag__ is UNTAGGED

    def refuse(self, instance: object) -> Any:
        """Refuse to store an instance of an untagged class.

        Raises:
            CendryError: Always.
        """
        raise untagged(type(instance).__qualname__)

    @cached_property
    def encode_unruled(self) -> Callable[[M], dict[str, Any]]:
        """As `encode`, for an instance that may break rules."""
        return self._compile_encode("stored", ruled=False) if self._has_rules else self.encode

    @cached_property
    def encode_by_name(self) -> Callable[[M], dict[str, Any]]:
        """As `encode_unruled`, with Python names for keys."""
        return self.refuse if self.is_untagged else self._compile_encode("python", ruled=False)

    @cached_property
    def encode_json(self) -> Callable[[M], dict[str, Any]]:
        """As `encode_unruled`, with the forms that JSON holds; a `TypeError` if some could not be told apart."""
        return self._encode_json("stored")

    @cached_property
    def encode_json_by_name(self) -> Callable[[M], dict[str, Any]]:
        """As `encode_json`, with Python names for keys."""
        return self._encode_json("python")

    def _encode_json(self, names: Names) -> Callable[[M], dict[str, Any]]:
        if self.is_untagged:
            return self.refuse
        self._check_json()
        return self._compile_encode(names, ruled=False, json=True)

    @cached_property
    def verify(self) -> Callable[[M], None] | None:
        """Check that an instance can be read back once it is stored; `None` if that is certain for the class.

        It raises `ValidationError` if a constructor or a `__post_init__` rejects what would be stored.
        """
        return self._verify if can_refuse(self.shape) else None

    def _verify(self, instance: Any) -> None:
        self._own_decoder(STORED)(self.encode_unruled(instance), instance.id)

    def verify_parts(self, data: Mapping[str, Any], marked: Mapping[str, Any]) -> None:
        """Check that the fields of an instance can be read back, but for those with transforms in them.

        Args:
            data: The stored fields without transforms.
            marked: The same with them.

        Raises:
            ValidationError: A constructor or a `__post_init__` rejects a value.
        """
        for field in self.shape.fields:
            stored = data.get(field.stored, MISSING)
            if stored is not MISSING and stored == marked[field.stored] and can_refuse(field.shape):
                try:
                    self.resolve((field.name,)).decode(stored)
                except DecodeError as error:
                    problem = Problem(error.field, error.expected, error.found)
                    raise ValidationError(self.model.__qualname__, [problem]) from error.__cause__

    def verify_changed(self, instance: Any, data: Mapping[str, Any], paths: Iterable[FieldPath]) -> None:
        """Check an instance as it is with some changes: new values, or the removal of those not in them.

        Raises:
            ValidationError: It could not be read back, or breaks the rule of a class for the whole.
        """
        if not self.has_checks_of_wholes:
            return
        try:
            stored = self.encode_unruled(instance)
        except InvalidValueError:
            # Other values don't fit, which aren't written.
            return
        for path in paths:
            above = path.segments[:-1]
            if above and not isinstance(value_at(stored, above), dict):
                # There is no map in the instance; whether there is one in the document is not known.
                return
            value = value_at(data, path.segments)
            if value is MISSING:
                remove_at(stored, path.segments)
            else:
                put_at(stored, path.segments, value)
        changed = self._own_decoder(STORED)(stored, instance.id)
        if self._has_whole_rules:
            writer = Writer(whole=True)
            if writer.walk(writer.fields, self.shape, changed, "", 0) is FAILED:
                raise self._validation_error(writer) from writer.foreign

    @cached_property
    def _has_rules(self) -> bool:
        return has_rules(self.shape)

    @cached_property
    def has_checks_of_wholes(self) -> bool:
        """Whether an instance whose values all fit may still be refused as a whole."""
        return self.verify is not None or self._has_whole_rules

    @cached_property
    def _has_whole_rules(self) -> bool:
        return has_whole_rules(self.shape)

    def decoder(self, reading: Reading) -> Callable[[Mapping[str, Any], str | None], M]:
        """`decode(data, document_id)` for other decode options.

        With tags, the instance is one of the class or of a subclass. Raises `ValidationError` for data that doesn't
        fit, or that a user's constructor rejects.
        """
        return self._own_decoder(reading) if self.family is None else partial(self._decode_untrusted, reading)

    def _own_decoder(self, reading: Reading) -> Callable[[Mapping[str, Any], str | None], M]:
        if reading not in self._decoders:
            self.check(reading)
            self._decoders[reading] = self._compile_decode(reading, partial(self._reread, reading))
        return self._decoders[reading]

    def _decode_untrusted(self, reading: Reading, data: Mapping[str, Any], document_id: str | None) -> M:
        try:
            codec = self._by_data(data, reading)
        except Mistagged as error:
            raise ValidationError(self.model.__qualname__, [error.problem()]) from None
        return cast("M", codec._own_decoder(reading)(data, document_id))

    def _by_data(self, data: Mapping[str, Any], reading: Reading) -> Codec[Any]:
        """The codec for data from users: that of the class or of a subclass.

        Raises:
            Mistagged: The tag in the data is that of neither.
        """
        if self.family is None:
            return self
        found = data.get(self.family.field, MISSING)
        return self.of(class_by_data(self.family, self.model, found, reading))

    def problems(self, data: Any, reading: Reading) -> list[Problem]:
        """The problems of the data of a document, at most 100; only for a class with rules, instances are created."""
        try:
            codec = self._by_data(data, reading)
        except Mistagged as error:
            return [error.problem()]
        codec.check(reading)
        reader = Reader(reading, building=codec._has_rules, compiled=partial(codec.compiled, reading))
        reader.walk(reader.fields, codec.shape, data, "", 0)
        return reader.problems

    def encode_field(self, name: str, value: Any) -> Any:
        """The stored value of one declared field.

        Raises:
            InvalidValueError: The value doesn't fit.
        """
        return self.resolve((name,)).encode_new(value)

    def resolve(self, names: tuple[str | MemberName, ...]) -> ResolvedField:
        """A field reference by Python names, from the document down; dict keys are used as they are.

        Raises:
            UnknownFieldError: A name isn't declared; the error has the nearest ones.
            InvalidRequestError: Classes of a union store fields of this name under different ones.
        """
        found = self._resolved.get(names)
        if found is not None:
            return found
        if names == ("id",) and self.shape.style == "model":
            found = self._resolved[names] = self._place(("id",), DOCUMENT_ID, DocumentId(), None)
            return found
        shape: Shape = self.shape
        segments: list[str] = []
        fields: list[RecordField | None] = []
        guard: type[Any] | None = None
        is_tag = False
        for index, name in enumerate(names):
            holder, union = shape, union_of(shape)
            if isinstance(name, MemberName) and isinstance(name.owner, Record):
                holder = name.owner
            elif union is not None:
                found = self._below(union, tuple(segments), names, index)
                if found is None:
                    raise unknown_field(self.shape, shape, tuple(map(str, names)), index)
                own_key = names if any(isinstance(each, MemberName) for each in names) else ()
                found = replace(found, own_key=own_key)
                fields += [*found.holders[index:], found.field]
                break
            is_tag = union is not None and str(name) == union.name
            known = step(holder, str(name))
            if known is None:
                raise unknown_field(self.shape, holder, tuple(map(str, names)), index)
            shape, stored, field, guard = (*known[:3], guard or known[3])
            segments.append(stored)
            fields.append(field)
        else:
            plain = tuple(map(str, names))
            path = self._path(plain, segments)
            found = self._place(plain, path, shape, fields[-1], tuple(fields[:-1]), guard=guard, is_tag=is_tag)
        if None not in fields:  # Dict keys are user data: their number is unlimited.
            self._resolved[names] = found
        return found

    def _path(self, names: tuple[str, ...], segments: list[str]) -> FieldPath:
        try:
            return FieldPath(*segments)
        except ValueError as error:
            raise InvalidValueError(self.model.__qualname__, text_of(names), "a valid key", str(error)) from None

    def _below(
        self, union: Tagged, segments: tuple[str, ...], names: tuple[str | MemberName, ...], index: int
    ) -> ResolvedField | None:
        """The field in the classes of a union that have it; `None` if there are none."""
        name, (before, after) = names[index], (names[:index], names[index + 1 :])
        variants: dict[Record, ResolvedField] = {}
        for record in union.records:
            if isinstance(name, str) or name.covers(record):
                with suppress(UnknownFieldError):
                    variants[record] = self.resolve((*before, MemberName(str(name), record), *after))
        if not variants:
            return None
        return joined(self.model, union, FieldPath(*segments, union.stored), variants)

    def resolve_text(self, text: str) -> ResolvedField:
        """A field reference by its string form: Python names joined by dots, in backticks where needed.

        Raises:
            UnknownFieldError: A name isn't declared, or the text is not a path.
            InvalidValueError: The path is too long.
        """
        text = exact_text(text)
        try:
            names = FieldPath.parse(text).segments
        except LongPathError as error:
            raise InvalidValueError(self.model.__qualname__, shortened(text), "a field path", str(error)) from None
        except ValueError:
            # Not a path at all, so it is shown as given.
            near = unknown_field(self.shape, self.shape, (text,), 0).nearest
            raise UnknownFieldError(self.model.__qualname__, text, near) from None
        return self.resolve(names)

    def resolve_stored(self, path: FieldPath) -> ResolvedField:
        """A field reference by stored path, which is used as it is and has no names; values are stored as given."""
        guard = guarded(self.shape, path.segments) if len(path) > 1 else None
        hidden = self.hides and hides_stored(self.shape, path.segments)
        return self._place((), path, Anything(), None, hidden=hidden, guard=guard)

    @cached_property
    def hides(self) -> bool:
        """Whether values of some fields are shown nowhere."""
        return hides(self.shape)

    def mask(self, data: Mapping[str, Any]) -> tuple[FieldPath, ...]:
        """The declared fields in encoded data, including those in embedded maps: the update mask for `extra="keep"`."""
        paths = self._mask.of(data)
        tag = self.shape.tag
        return tuple(paths) if tag is None or tag.value is None else (FieldPath(tag.field), *paths)

    @cached_property
    def _mask(self) -> Mask:
        return Mask(self.shape)

    # Compilation

    @property
    def sources(self) -> tuple[str, ...]:
        """The source of the code compiled so far."""
        return tuple(self._sources)

    def _run(self, module: Module, title: str, function: str) -> Callable[..., Any]:
        self._sources.append(module.source)
        return module.compile(title, self.model, function)

    def _compile_decode(
        self, reading: Reading, explain: Callable[..., Any], evolution: Evolution | None = None
    ) -> Callable[..., M]:
        module = Module()
        module.known("explain", explain)
        if evolution is None:
            emit_decode(_reader(module, reading), self.shape)
        else:
            evolution.check()
            module.known("upgrade", partial(self.upgrade, reading))
            emit_decode(_reader(module, reading), self.shape, evolution.version)
        return self._run(module, "decoder of", "decode")

    def _compile_encode(self, names: Names, ruled: bool, *, json: bool = False) -> Callable[..., Any]:
        if self.evolution is not None:
            self.evolution.check()
        module = Module()
        module.known("explain", partial(self.explain_encode, names, ruled, json=json))
        fallback = _writing(names, constraints=ruled, whole=ruled, json=json)
        access = None
        if json:
            from .json_emit import JsonExpressions

            access = JsonExpressions(module)
        emit_encode(module, self.shape, names, fallback, ruled, access)
        return self._run(module, "encoder of", "encode")

    def _converter(self, shape: Shape, ruled: bool) -> tuple[Callable[[Any], Any], Callable[[Any], Any], bool]:
        known = self._converters.get((shape, ruled))
        if known is None:
            module = Module()
            emit_write_value(module, shape, _writing("stored", constraints=ruled), ruled)
            write = self._run(module, "value encoder of", "write")
            module = Module()
            emit_read_value(_reader(module, STORED), shape)
            known = (write, self._run(module, "value decoder of", "read"), can_exceed_depth(shape))
            self._converters[shape, ruled] = known
        return known

    def check(self, reading: Reading) -> None:
        """Check that data can be read with these decode options.

        Raises:
            TypeError: Values of a field could not be told apart in JSON.
        """
        if reading.json:
            self._check_json()

    def _check_json(self) -> None:
        if not self._is_readable:
            from .._types.json_forms import check_readable

            check_readable(self.shape)
            self._is_readable = True

    def compiled(self, reading: Reading, shape: Shape) -> Compiled:
        """Compiled code for values of a shape, for a `Reader`."""
        key = reading, shape
        if key not in self._readers:
            module = Module()
            emit_read_value(_reader(module, reading), shape)
            read = self._run(module, "value decoder of", "read")
            is_measured = can_exceed_depth(self.shape) and not isinstance(bare(shape), _SINGLE)
            is_deep = is_measured and can_exceed_depth(shape)
            self._readers[key] = read, can_refuse(shape) or has_rules(shape), is_measured, is_deep
        return self._readers[key]

    # The fallback for anything that compiled code does not handle

    def explain_decode(
        self, error: Exception, data: Any, document_id: str | None, path: str | None, reading: Reading = STORED
    ) -> M:
        """Return an instance from fields on which compiled code raised this error, or raise the `DecodeError`."""
        reader = Reader(reading, refusal=refusal_of(error))
        instance: M = reader.walk(reader.fields, self.shape, data, "", 0, document_id)
        return self._decoded(reader, instance, error, path)

    def explain_encode(self, names: Names, ruled: bool, error: Exception, instance: Any, *, json: bool = False) -> Any:
        """Return the fields of an instance on which compiled code raised this error, or raise `ValidationError`."""
        if not isinstance(instance, self.model):
            raise TypeError(f"expected an instance of {self.model.__qualname__}, not {shortened(instance)}.") from None
        writer = Writer(names, constraints=ruled, whole=ruled, json=json)
        found = writer.walk(writer.fields, self.shape, instance, "", 0)
        if found is FAILED:
            raise self._validation_error(writer) from writer.foreign
        return found

    def encode_changes(
        self, instance: Any, *, merge: bool
    ) -> tuple[dict[str, Any], list[tuple[tuple[str, ...], Any]]] | None:
        """The stored fields of an instance with transforms in it, which the result contains at their places.

        Args:
            instance: The instance.
            merge: Whether `DELETE_FIELD` is accepted too, and removes fields.

        Returns:
            The fields, and the Python names of removed fields with their new values; `None` if it has no transforms.

        Raises:
            ValidationError: A value doesn't fit its field.
        """
        writer = ChangeWriter(None if merge else UNMERGED, whole=True)
        found = writer.walk(writer.fields, self.shape, instance, "", 0)
        if not writer.met:
            return None
        if found is FAILED:
            raise self._validation_error(writer) from writer.foreign
        return found, list(removals(self.shape, instance)) if merge else []

    def _reread(self, reading: Reading, error: Exception, data: Any, document_id: str | None, path: str | None) -> Any:
        reader = Reader(reading, refusal=refusal_of(error), compiled=partial(self.compiled, reading))
        found = reader.walk(reader.fields, self.shape, data, "", 0, document_id)
        self._require_refusal(reader)
        if reader.problems:
            raise self._validation_error(reader) from reader.foreign
        return found

    def _decoded(self, reader: Reader, found: V, error: Exception, path: str | None) -> V:
        """Return the reader's result for data on which compiled code raised this error, or raise the `DecodeError`."""
        self._require_refusal(reader)
        if not reader.problems:
            return found
        first, *more = reader.problems
        known = (path, self.model.__qualname__, first.path or "the document", first.expected, first.found)
        raise DecodeError(*known, more=len(more)) from _cause(reader, error)

    def _require_refusal(self, reader: Reader) -> None:
        if reader.refusal is not None:  # The reader has not come across it: the data are not equal to themselves.
            reader.walk(reader.refused, "", reader.refusal)

    def _validation_error(self, checker: Checker) -> ValidationError:
        return ValidationError(self.model.__qualname__, checker.problems, more=checker.more)

    def _value_error(self, problems: list[Problem]) -> InvalidValueError:
        first = problems[0]
        return InvalidValueError(self.model.__qualname__, first.path, first.expected, first.found, code=first.code)

    def _place(
        self,
        names: tuple[str, ...],
        path: FieldPath,
        shape: Shape,
        field: RecordField | None,
        holders: tuple[RecordField | None, ...] = (),
        *,
        hidden: bool = False,
        guard: type[Any] | None = None,
        is_tag: bool = False,
    ) -> ResolvedField:
        model = self.model.__qualname__
        element = element_of(shape)
        text = text_of(names or path.segments)
        depth = len(path) - 1
        hidden = hidden or any(each is not None and each.hidden for each in (*holders, field))

        def encoder(of: Shape, outer: int, ruled: bool) -> Callable[[Any], Any]:
            converter: tuple[Callable[[Any], Any], Callable[[Any], Any], bool] | None = None

            def encode(value: Any) -> Any:
                nonlocal converter
                try:
                    if converter is None:
                        converter = self._converter(of, ruled)
                    write, _, measured = converter
                    stored = write(value)
                    if not measured or not deeper_than(stored, MAX_DEPTH - outer):
                        return stored
                    error: Exception = Mismatch()
                except Exception as raised:
                    error = raised
                writer = Writer(limit=1, constraints=ruled)
                writer.hidden = (text, of) if hidden else None
                found = writer.walk(writer.write, of, value, text, outer)
                if found is FAILED:
                    raise self._value_error(writer.problems) from _cause(writer, error)
                return found

            return encode

        read: Callable[[Any], Any] | None = None

        def decode(value: Any, document: str | None = None, reading: Reading = STORED) -> Any:
            nonlocal read
            try:
                if reading.parts and isinstance(value, (dict, list)):
                    refuse()
                if read is None:
                    # Kept, since to look it up takes the hash of the whole shape.
                    read = self._converter(shape, False)[1]
                return read(value)
            except Exception as error:
                reader = Reader(reading, refusal=refusal_of(error))
                reader.hidden = (text, shape) if hidden else None
                return self._decoded(reader, reader.walk(reader.read, shape, value, text, depth), error, document)

        def encode_changes(value: Any) -> Any:
            writer = ChangeWriter(NESTED)
            writer.hidden = (text, shape) if hidden else None
            found = writer.walk(writer.write, shape, value, text, depth)
            if not writer.met:
                return None
            if found is FAILED:
                raise self._value_error(writer.problems) from writer.foreign
            return found

        encode = encoder(shape, depth, False)
        ruled = self._has_rules and has_rules(shape)
        encode_new = encoder(shape, depth, True) if ruled else encode
        encode_element = None if element is None else encoder(element, depth + 1, False)
        return ResolvedField(
            model,
            names,
            path,
            shape,
            encode,
            encode_new,
            decode,
            encode_changes,
            encode_element,
            field,
            holders,
            hidden=hidden,
            guard=guard,
            is_tag=is_tag,
            owner=self.model,
        )


def unreadable(error: DecodeError) -> InvalidValueError:
    """The error for a value that could not be read back."""
    return InvalidValueError(error.model, error.field, error.expected, error.found)


def _cause(checker: Checker, error: Exception) -> Exception | None:
    """The error that user code raised, to be shown as the cause."""
    return error if checker.is_foreign else None


def _reader(module: Module, reading: Reading) -> ReadEmitter:
    if not reading.json:
        return dict_reader(module, reading, _reading(reading))
    from .json_emit import json_reader

    return json_reader(module, reading, _reading(reading))


def _reading(reading: Reading) -> Fallback:
    def fallback(shape: Shape, value: Any) -> Any:
        return converted(Reader(reading, raising=True, limit=0), Reader.read, shape, value)

    return fallback


def _writing(names: Names, *, constraints: bool, whole: bool = False, json: bool = False) -> Fallback:
    def fallback(shape: Shape, value: Any) -> Any:
        writer = Writer(names, limit=0, constraints=constraints, whole=whole, json=json)
        return converted(writer, Writer.write, shape, value)

    return fallback


def source_of(cls: type[Any], registry: TypeRegistry = default_registry) -> str:
    """The generated source of a class's decoder and encoder, for reading and for debugging."""
    codec = codec_for(cls, registry)
    _ = codec.decode, codec.encode
    return "\n".join(codec.sources)
