"""From instances to writes, and back once they are committed: until then only the id of an instance changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from os import urandom
from typing import Any, Final, TypeAlias, cast

from .._model.fields import FieldInfo
from .._model.metadata import (
    attach,
    attach_deleted,
    check_instance,
    forget_upgraded,
    known_update_time,
    parent_of,
    remembered,
    times_of_etags,
)
from .._model.model import Model, fields_of, is_frozen
from .._query.fields import check_own
from .._types.evolutions import Evolution
from .._types.families import Family
from .._types.registry import TypeRegistry
from .._types.shapes import Converted, Shape, bare
from ..backend import MAX_BULK_WRITES, CommitResult
from ..codec import Codec, codec_for
from ..codec.change_writer import place_of, without_changes
from ..errors import (
    CendryError,
    ForeignReferenceError,
    InvalidDocumentIdError,
    InvalidValueError,
    OutcomeUnknownError,
    Problem,
    ValidationError,
    untagged,
)
from ..paths import FieldPath, join_path, shortened
from ..plan import Create, Delete, FieldTransform, Set, Update, Write
from ..reference import Ref, check_parent, is_ref, located_path, parent_path
from ..values import ArrayRemove, ArrayUnion
from .changes import Masked, Names, changes_of, check_complete, current_values, masked, show
from .targets import Home, at_home, check_not_frozen, existing_path, locate

MAX_WRITES: Final = 500
"""Maximum number of writes in one atomic commit (https://firebase.google.com/docs/firestore/quotas)."""

_ALPHABET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_LETTERS: Final = bytes(_ALPHABET[byte % len(_ALPHABET)] for byte in range(256))
# These would make the first letters of the alphabet more likely than the others.
_LEFT_OUT: Final = bytes(range(256 - 256 % len(_ALPHABET), 256))


def automatic_id() -> str:
    """A new document id like those of Firestore's own clients: 20 random letters and digits."""
    letters = b""
    while len(letters) < 20:
        letters += urandom(24).translate(_LETTERS, _LEFT_OUT)
    return letters[:20].decode()


def utc_now() -> datetime:
    """The default clock of a context."""
    return datetime.now(timezone.utc)


@dataclass(slots=True)
class Pending:
    """A pending write, and its effect on its instance.

    Attributes:
        write: The write for the backend.
        instance: The instance, or `None` for a write by class and id.
        new_id: Whether the id of the instance was generated for this write.
        values: The values of the instance after the commit.
        codec: The codec that made the data, if there are any.
        evolution: The versions of its model, if what is written depends on which one the document has.
    """

    write: Write
    instance: Model | None = None
    new_id: bool = False
    values: Sequence[tuple[Names, Any]] = ()
    codec: Codec[Any] | None = None
    evolution: Evolution | None = None


Encode: TypeAlias = "Callable[[Any], MutableMapping[str, Any]]"
"""Returns the stored fields of an instance."""

Encoder: TypeAlias = "Callable[[Codec[Any]], Encode]"
"""Returns an `Encode` for a class."""

Changed: TypeAlias = "Callable[[Codec[Any], dict[str, Any]], dict[str, Any]]"
"""Returns the data of an update in the form that the backend needs."""


_Document: TypeAlias = (
    "tuple[MutableMapping[str, Any], Mapping[str, Any], tuple[FieldTransform, ...], Sequence[tuple[Names, Any]]]"
)
"""An instance: its stored fields, the same with transforms at their places, the transforms, and its later values."""


def _arguments(target: object, given: tuple[Any, ...]) -> tuple[object, tuple[Any, ...]]:
    """The id, if the target is a class, and the changes."""
    return (given[0] if given else None, given[1:]) if isinstance(target, type) else (None, given)


@dataclass(frozen=True, slots=True)
class Writer:
    """Creates writes, with the registry and the clock of a context, in the form that its backend needs.

    Attributes:
        registry: The registry.
        clock: Returns the time as an aware `datetime`.
        encoder: Returns the encoder for instances that are written whole.
        changed: Returns the data of an update in the form that the backend needs.
        home: Returns how references name the database.
    """

    registry: TypeRegistry
    clock: Callable[[], datetime]
    encoder: Encoder
    changed: Changed
    home: Home

    def save(self, instance: Model, parent: object, merge: bool, if_unchanged: object) -> Pending:
        """A write of the whole instance, whether its document exists or not."""
        path, new_id = _path_for(instance, None if parent is None else at_home(parent, self.home))
        model = type(instance)
        codec = codec_for(model, self.registry)
        data, marked, transforms, values = self._document(codec, instance, merge=merge)
        keep = merge or model.__cendry_extra__ == "keep"
        update_time = None if if_unchanged is None else precondition(instance, path, if_unchanged)
        must_exist = if_unchanged is not None and _is_any(if_unchanged)
        mask: tuple[FieldPath, ...] | None = None
        if keep:
            computed = {one.path for one in transforms}
            mask = tuple(path for path in codec.mask(marked) if path not in computed)
        evolution = codec.evolution
        if evolution is not None:
            if mask is not None and not new_id:
                # Some fields of a document that may be of another version.
                evolution = evolution if evolution.version > 1 else None
            else:
                data[evolution.version_field] = evolution.version
                mask = None if mask is None else (*mask, FieldPath(evolution.version_field))
                evolution = None
        write = Set(path, data, mask, transforms, update_time, must_exist=must_exist)
        if values and is_frozen(instance):
            values = ()
        pending = Pending(write, instance, new_id, values, codec, evolution)
        return _with_id(pending) if new_id else pending

    def create(self, instance: Model, parent: object) -> Pending:
        """A write of the whole instance, whose document must not exist yet."""
        path, new_id = _path_for(instance, None if parent is None else at_home(parent, self.home))
        codec = codec_for(type(instance), self.registry)
        data, _, transforms, values = self._document(codec, instance)
        evolution = codec.evolution
        if evolution is not None:
            data[evolution.version_field] = evolution.version
        pending = Pending(Create(path, data, transforms), instance, new_id, values, codec)
        return _with_id(pending) if new_id else pending

    def update(
        self,
        target: object,
        given: tuple[Any, ...],
        fields: Iterable[Any] | None,
        parent: object,
        if_unchanged: object,
        *,
        is_own: bool = False,
    ) -> Pending:
        """A write of some fields of a document that must exist; `is_own` for an instance that nobody else has."""
        document_id, changes = _arguments(target, given)
        if (not changes or changes == (None,)) is (fields is None):
            raise TypeError("update() takes either changes or fields=: update(city, {City.name: 'x'}).")
        model, path, instance = locate(target, document_id, parent, self.home)
        if instance is not None and not is_own and is_frozen(instance):
            check_not_frozen(instance, "update")
        codec = codec_for(model, self.registry)
        if fields is not None:
            if instance is None:
                raise TypeError("fields= names fields of an instance; with a class and an id, pass the changes.")
            named: list[tuple[Any, Any]] = list(current_values(instance, fields))
        else:
            named = changes_of(changes, "update")
        found = self._masked(codec, path, instance, named, "update")
        if fields is not None:
            found.values.clear()
        update_time = None if if_unchanged is None else precondition(instance, path, if_unchanged)
        data = self.changed(codec, found.data)
        write = Update(path, data, tuple(found.paths), tuple(found.transforms.values()), update_time)
        evolution = codec.evolution
        if evolution is not None and are_current(evolution):
            evolution = None
        return Pending(write, instance, False, found.values, codec, evolution)

    def update_of_all(self, model: type[Any], given: tuple[Any, ...]) -> Callable[[str], Pending]:
        """The same changes of any documents of a class that must exist: a function from the path of one."""
        named = changes_of(given, "update")
        if not named:
            raise CendryError("This update names no fields, so there is nothing to write; name at least one.")
        codec = codec_for(model, self.registry)
        found = self._masked(codec, model.__collection__, None, named, "update")
        data = self.changed(codec, found.data)
        paths, transforms = tuple(found.paths), tuple(found.transforms.values())
        return lambda path: Pending(Update(path, data, paths, transforms), codec=codec)

    def updates_of(self, paths: Iterable[str], model: type[Any], given: tuple[Any, ...]) -> Iterator[Pending]:
        """The same changes of some documents of a class."""
        update = self.update_of_all(model, given)
        for number, path in enumerate(paths, 1):
            if number % MAX_BULK_WRITES == 0:
                # Some time has passed, which `auto_now` fields show.
                update = self.update_of_all(model, given)
            yield update(path)

    def merge(self, target: object, given: tuple[Any, ...], parent: object) -> Pending:
        """A write of some fields of a document, whether it exists or not."""
        document_id, changes = _arguments(target, given)
        model, path, instance = locate(target, document_id, parent, self.home)
        if instance is not None:
            check_not_frozen(instance, "merge")
        codec = codec_for(model, self.registry)
        found = self._masked(codec, path, instance, changes_of(changes, "merge"), "merge")
        check_complete(codec, found)
        if codec.family is not None:
            _put_tag(codec, codec.family, instance, found)
        transforms = tuple(found.transforms.values())
        write = Set(path, found.data, tuple(found.paths), transforms, is_merge=True)
        evolution = codec.evolution
        if evolution is not None and evolution.version == 1:
            evolution = None
        return Pending(write, instance, False, found.values, codec, evolution)

    def _masked(
        self, codec: Codec[Any], path: str, instance: Model | None, named: list[tuple[Any, Any]], what: str
    ) -> Masked:
        if not named:
            raise CendryError(
                f"This {what} of document {path!r} names no fields, so there is nothing to write; name at least one."
            )
        if instance is not None and codec.family is not None:
            check_own(instance, named)
        try:
            found = masked(codec, named, what, instance if what == "update" else None)
        except InvalidValueError as error:
            if instance is None:
                raise
            raise _of_instance(error) from error.__cause__
        if instance is not None and not found.transforms and codec.has_checks_of_wholes:
            codec.verify_changed(instance, found.data, found.paths)
        self._stamp_update(codec, found)
        return found

    def delete(
        self, target: object, document_id: object, parent: object, must_exist: bool, if_unchanged: object
    ) -> Pending:
        """A removal."""
        _, path, instance = locate(target, document_id, parent, self.home)
        update_time = precondition(instance, path, if_unchanged)
        must_exist = must_exist or _is_any(if_unchanged)
        return Pending(Delete(path, must_exist, update_time), instance)

    def _now(self) -> datetime:
        now = self.clock()
        if not isinstance(cast(object, now), datetime) or now.tzinfo is None:
            raise CendryError(f"The clock of this context must return aware datetimes in UTC; it returned {now!r}.")
        return now

    def _document(self, codec: Codec[Any], instance: Model, *, merge: bool = False) -> _Document:
        transforms: tuple[FieldTransform, ...] = ()
        values: list[tuple[Names, Any]] = []
        try:
            try:
                data = self.encoder(codec)(instance)
            except ForeignReferenceError:
                # The commit raises it again, for this document: one write of several may fail alone.
                data = codec.encode(instance)
            marked: Mapping[str, Any] = data
            if (verify := codec.verify) is not None:
                verify(instance)
        except InvalidValueError:
            # Checking for transforms is only needed if a value doesn't fit.
            found = codec.encode_changes(instance, merge=merge)
            if found is None:
                raise
            marked, values = found
            taken: list[FieldTransform] = []
            data = without_changes(marked, taken)
            transforms = tuple(taken)
            if codec.verify is not None:
                codec.verify_parts(data, marked)
        now: datetime | None = None
        timed: tuple[FieldInfo, ...] | None = codec.outputs.get(_timed)
        for info in _timed(codec) if timed is None else timed:
            # An absent value is one of a transform, or `None` where that is stored as absence.
            is_unset = getattr(instance, info.name) is None
            if is_unset or (info.auto_now and info.alias in data):
                now = now or self._now()
                stored, value = _moment(codec, info.name, now)
                data[info.alias] = stored
                values.append(((info.name,), value))
        return data, marked, transforms, values

    def _stamp_update(self, codec: Codec[Any], found: Masked) -> None:
        now: datetime | None = None
        for info in _timed(codec):
            if info.auto_now:
                name = info.name
                path = codec.resolve((name,)).path
                if not found.touches(path):
                    now = now or self._now()
                    stored, value = _moment(codec, name, now)
                    found.put(path, name, stored)
                    found.values.append(((name,), value))


def are_current(evolution: Evolution) -> bool:
    """Whether a class reads no older version than its own."""
    return (evolution.oldest or 1) >= evolution.version


def name_instance(error: Exception, instance: object, which: str) -> None:
    """Add to the message of an error which one of several instances it is about.

    Args:
        error: The error.
        instance: The instance.
        which: Its place among the others: "instance 3".
    """
    if isinstance(error, (CendryError, TypeError)) and len(error.args) == 1:
        document_id = getattr(instance, "id", None) if isinstance(instance, Model) else None
        is_named = document_id is None or isinstance(error, InvalidDocumentIdError)
        named = "" if is_named else f", with the id {shortened(document_id)}"
        error.args = (f"{error.args[0]} It is {which} (counted from 0){named}.",)


def _put_tag(codec: Codec[Any], family: Family, instance: Model | None, found: Masked) -> None:
    """Add the tag to a merge, which may create the document.

    Raises:
        CendryError: Which tag the document has, or is to have, is not known.
    """
    tag, model = codec.shape.tag, codec.model
    if codec.is_untagged:
        raise untagged(model.__qualname__)
    if tag is None or tag.value is None:
        return
    if instance is None and len(family.tags_of(model)) > 1:
        name = model.__qualname__
        raise CendryError(
            f"A merge writes the tag of {name}, and the document may be one of a subclass of {name}; name its own "
            "class, merge an instance, or use update() if the document has to exist."
        )
    found.put(FieldPath(family.field), family.field, tag.stored)


def _of_instance(error: InvalidValueError) -> ValidationError:
    """The error for a write of an instance, of which one value doesn't fit."""
    return ValidationError(error.model, [Problem(error.field, error.expected, error.found, error.code)])


def _timed(codec: Codec[Any]) -> tuple[FieldInfo, ...]:
    """The fields that are set to the current time, at every write or at the first."""
    found: tuple[FieldInfo, ...] | None = codec.outputs.get(_timed)
    if found is None:
        infos = fields_of(codec.model).values()
        found = codec.outputs[_timed] = tuple(info for info in infos if info.auto_now or info.auto_now_add)
    return found


def _is_any(if_unchanged: object) -> bool:
    """Whether the document must exist, in whatever version: `*` of the header `If-Match`."""
    return isinstance(if_unchanged, str) and str.strip(if_unchanged, " \t") == "*"


def precondition(instance: Model | None, path: str, if_unchanged: object) -> datetime | None:
    """The update time that `if_unchanged` requires; `None` if any will do.

    Raises:
        TypeError: It is neither a bool, nor a datetime, an etag or `None`.
        InvalidEtagError: It is a text that has no etag of this document.
        CendryError: It is `True`, and the version of the document is not known.
    """
    if if_unchanged is None or if_unchanged is False:
        return None
    if isinstance(if_unchanged, datetime):
        return if_unchanged if if_unchanged.tzinfo is not None else if_unchanged.replace(tzinfo=timezone.utc)
    if isinstance(if_unchanged, str):
        # A document's times only increase, so of several etags, only the latest one can be that of its version.
        return None if _is_any(if_unchanged) else max(times_of_etags(if_unchanged, path))
    if if_unchanged is not True:
        raise TypeError(f"if_unchanged= takes True, an update time or an etag, not {if_unchanged!r}.")
    if instance is None:
        raise CendryError("if_unchanged=True needs an instance; with a class and an id, pass the update time or etag.")
    known = remembered(instance)
    update_time = known_update_time(instance)
    if known is None or update_time is None or known.path != path:
        raise CendryError(
            f"if_unchanged=True: no version of document {path!r} is known for this {type(instance).__qualname__}; "
            "it must have been read or written through a context, under this id and parent."
        )
    return update_time


def _path_for(instance: Model, parent: object) -> tuple[str, bool]:
    check_instance(instance)
    if instance.id is not None:
        if parent is not None:
            return existing_path(instance, parent), False
        # As in `existing_path`, without the call.
        known = remembered(instance)
        return located_path(instance) if known is None else known.path, False
    model = type(instance)
    if is_frozen(instance):
        raise CendryError(
            f"{model.__qualname__} is frozen, so this instance can't be given an automatic id; create it with an id."
        )
    above = parent_of(instance) if parent is None else parent_path(parent)
    return join_path(check_parent(model, above), cast("str", model.__collection__), automatic_id()), True


def _with_id(pending: Pending) -> Pending:
    # The last step: if anything fails before, the instance is left without an id.
    object.__setattr__(pending.instance, "id", pending.write.path.rpartition("/")[2])
    return pending


def _moment(codec: Codec[Any], name: str, now: datetime) -> tuple[Any, Any]:
    """The time as it is stored, and as the value of the instance."""
    into = codec.resolve((name,))
    stored = into.encode(_as_declared(into.shape, now))
    return stored, into.decode(stored)


def _as_declared(shape: Shape, now: datetime) -> Any:
    inner = bare(shape)
    if isinstance(inner, Converted):
        utc = now.astimezone(timezone.utc)
        return utc.time() if inner.python.__name__ == "time" else utc.date()
    return now


# Around the commit


def check_number(count: int) -> None:
    """Check that the writes fit in one commit.

    Raises:
        CendryError: There are more than 500.
    """
    if count > MAX_WRITES:
        raise CendryError(
            f"One atomic commit takes at most {MAX_WRITES} writes, and this is write number {MAX_WRITES + 1}; "
            "nothing was written. Split them into several commits."
        )


def is_refusal(error: BaseException) -> bool:
    """Whether an error proves that nothing was written.

    That holds for all of Cendry's own but one, for errors of programming and installation, and for errors with a 4xx
    HTTP status, except 408 and 499 (timeout and cancellation).
    """
    if isinstance(error, (CendryError, TypeError, ImportError)):
        return not isinstance(error, OutcomeUnknownError)
    code = getattr(error, "code", None)
    return isinstance(code, int) and 400 <= code < 499 and code != 408


def name_reference(error: BaseException, pending: Iterable[Pending]) -> None:
    """Add the field and the document to an error about a reference that writes contain; hide it if the field is."""
    if not isinstance(error, ForeignReferenceError) or not is_ref(ref := error.reference):
        return
    for one in pending:
        if one.codec is None or isinstance(one.write, Delete):
            continue
        codec, write = one.codec, one.write
        found = place_of([codec.shape], write.data, ref) or _in_transforms(codec, write.transforms, ref)
        if found is not None:
            field, is_hidden = found
            name = codec.model.__qualname__
            error._cendry_locate(name, field, write.path, is_hidden=is_hidden)  # pyright: ignore[reportPrivateUsage]
            return


def _in_transforms(codec: Codec[Any], transforms: Sequence[FieldTransform], ref: Ref[Any]) -> tuple[str, bool] | None:
    for one in transforms:
        if isinstance(one.transform, (ArrayUnion, ArrayRemove)):
            # As the value of the field that the transform changes.
            value: Any = list(one.transform.values)
            for segment in reversed(one.path.segments):
                value = {segment: value}
            found = place_of([codec.shape], value, ref)
            if found is not None:
                return found[0].rpartition("[")[0], found[1]
    return None


def settle(pending: Iterable[Pending], result: CommitResult) -> None:
    """Update instances after a commit: values, timestamps, metadata."""
    for one, update_time in zip(pending, result.update_times, strict=True):
        instance, write = one.instance, one.write
        if instance is None:
            continue
        known = remembered(instance)
        same = known is not None and known.path == write.path
        if one.values:
            show(instance, one.values)
        forget_upgraded(instance)
        if isinstance(write, Delete):
            attach_deleted(instance, write.path)
            continue
        create_time = known.create_time if known is not None and same else None
        attach(
            instance,
            write.path,
            update_time if isinstance(write, Create) else create_time,
            update_time,
            result.commit_time,
        )


def settle_one(one: Pending, update_time: datetime | None) -> None:
    """Update the instance of a write that stands by itself."""
    instance, write = one.instance, one.write
    if instance is None:
        return
    path = write.path
    if instance.id is None:
        # An earlier write of the instance, which made the id, was refused.
        object.__setattr__(instance, "id", path.rpartition("/")[2])
    known = remembered(instance)
    if one.values:
        show(instance, one.values)
    forget_upgraded(instance)
    if isinstance(write, Delete):
        attach_deleted(instance, path)
        return
    create_time = update_time
    if not isinstance(write, Create):
        create_time = known.create_time if known is not None and known.path == path else None
    attach(instance, path, create_time, update_time, update_time)


def restore_ids(pending: Iterable[Pending]) -> None:
    """Set the ids again that `discard` has removed, for another attempt."""
    for one in pending:
        if one.new_id and one.instance is not None:
            object.__setattr__(one.instance, "id", one.write.path.rpartition("/")[2])


def discard(pending: Iterable[Pending]) -> None:
    """Remove the ids that were generated for writes that did not happen."""
    for one in pending:
        if one.new_id and one.instance is not None and one.instance.id == one.write.path.rpartition("/")[2]:
            object.__setattr__(one.instance, "id", None)
