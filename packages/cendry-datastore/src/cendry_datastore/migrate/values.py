"""What a migration is: its plan, with the form that it has in plan.json. Nothing here sends, waits or reads a file."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any, Final, Literal, cast, get_args

from cendry._immutable import dataclass, replace
from cendry.jobs.state import shard_name

from .forms import FORMAT, Form, moment_text

DEFAULT_DATABASE: Final = "(default)"
PLAN_FILE: Final = "plan.json"

Mode = Literal["raw", "ndb"]
"""How values are copied: as they are stored, or with transforms of the forms in which ndb stores them."""

Foreign = Literal["refuse", "rewrite", "string"]
"""What becomes of a key into another project, database or namespace."""

Change = Literal["nest", "inflate", "unpack", "json"]
"""What a transform does with a field."""

MODES: Final[tuple[Mode, ...]] = get_args(Mode)
FOREIGN: Final[tuple[Foreign, ...]] = get_args(Foreign)
CHANGES: Final[tuple[Change, ...]] = get_args(Change)

_KEYS: Final = frozenset(
    ("id", "source", "target", "read_time", "mode", "transforms", "kinds", "foreign", "tool", "earlier")
)
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@dataclass(frozen=True, slots=True)
class Place:
    """A database, on either side.

    Attributes:
        project: The project id.
        database: The database id; `(default)` for the default one.
        namespace: The namespace; empty for the default one, and in Firestore always.
    """

    project: str
    database: str = DEFAULT_DATABASE
    namespace: str = ""

    @property
    def name(self) -> str:
        """`projects/P/databases/D`."""
        return f"projects/{self.project}/databases/{self.database}"

    def __str__(self) -> str:
        return "/".join(filter(None, (self.project, self.database, self.namespace)))


@dataclass(frozen=True, slots=True)
class Transform:
    """A change of one field of all entities of a kind, decided on when the migration was planned.

    Attributes:
        kind: The kind.
        field: The stored name of the property.
        do: `nest` joins the parts of an entity that is stored in parts, `inflate` decompresses, `unpack` reads
            serialized entities, `json` reads JSON.
        options: What the change needs to know, such as whether inflated bytes are text.
    """

    kind: str
    field: str
    do: Change
    options: Mapping[str, str | int | bool] = dataclasses.field(
        default_factory=dict[str, "str | int | bool"], hash=False
    )


@dataclass(frozen=True, slots=True)
class Transforms:
    """The transforms that a plan is to decide on.

    Attributes:
        mode: `raw` or `ndb`.
        models: The models that say what fields hold, for `ndb`.
        renames: The collection ids of kinds that get another one.
    """

    mode: Mode = "raw"
    models: tuple[type[Any], ...] = ()
    renames: Mapping[str, str] = dataclasses.field(default_factory=dict[str, str])

    @classmethod
    def raw(cls) -> Transforms:
        """Copy all values as they are stored, without loss."""
        return cls()

    @classmethod
    def ndb(cls, *models: type[Any]) -> Transforms:
        """Give the forms in which ndb stores some values those that models have in Firestore.

        Args:
            models: The Cendry models of the kinds; fields of other kinds are judged by what is stored.
        """
        return cls("ndb", models)

    def rename(self, kinds: Mapping[str, str] | None = None, /, **more: str) -> Transforms:
        """Give kinds another collection id.

        Args:
            kinds: The collection id of each kind that gets another one.
            more: The same, for kinds that are identifiers.
        """
        return replace(self, renames={**self.renames, **(kinds or {}), **more})


@dataclass(frozen=True, slots=True)
class Shard:
    """A range of the keys of a kind, `(start, end]`.

    Attributes:
        kind: The kind.
        number: Counts through all shards of the plan.
        start: The `Key` message before the range, serialized; empty if the range begins with the first key.
        end: The `Key` message that ends the range and belongs to it, serialized; empty if it ends with the last key.
    """

    kind: str
    number: int
    start: bytes = b""
    end: bytes = b""

    @property
    def name(self) -> str:
        """Its name in the directory of the migration: `Shop-001`."""
        # The number alone makes it unique, also on disks that ignore case.
        return shard_name(self.kind, self.number)


@dataclass(frozen=True, slots=True)
class KindPlan:
    """What is copied of a kind.

    Attributes:
        kind: The kind.
        collection: The collection id that its entities get.
        count: How many entities there were when the migration was planned; an estimate.
        shards: Its key ranges, which are disjoint and cover all keys.
        was_empty: Whether the target had no document in this collection when the migration was planned.
    """

    kind: str
    collection: str
    count: int
    shards: tuple[Shard, ...]
    was_empty: bool = False


@dataclasses.dataclass(frozen=True)
class Plan:
    """A migration, decided.

    Attributes:
        id: The id of the migration.
        source: What is read.
        target: What is written.
        read_time: The moment at which the source is read.
        mode: `raw` or `ndb`.
        transforms: The changes of fields.
        kinds: What is copied of each kind.
        foreign: What becomes of keys into other databases.
        tool: The version of Cendry that made the plan.
        earlier: The hashes that the plan had before it was renewed, each with its moment, the first one first.
    """

    id: str
    source: Place
    target: Place
    read_time: datetime
    mode: Mode
    transforms: tuple[Transform, ...]
    kinds: tuple[KindPlan, ...]
    foreign: Foreign = "refuse"
    tool: str = ""
    earlier: tuple[tuple[str, datetime], ...] = ()

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the plan in hexadecimal digits; all files of the migration have it."""
        text = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def shards(self) -> tuple[Shard, ...]:
        """The key ranges of all kinds, in the order in which they are copied."""
        return tuple(shard for kind in self.kinds for shard in kind.shards)

    @property
    def count(self) -> int:
        """How many entities there were when the migration was planned; an estimate."""
        return sum(kind.count for kind in self.kinds)

    @property
    def collections(self) -> dict[str, str]:
        """The collection ids of the kinds that get another one."""
        return {kind.kind: kind.collection for kind in self.kinds if kind.collection != kind.kind}

    @property
    def hashes(self) -> tuple[str, ...]:
        """The hashes that a file of this migration may have: that of the plan, and those before it was renewed."""
        return (self.hash, *(found for found, _ in self.earlier))

    def moment(self, plan_hash: str) -> datetime:
        """The moment at which the source was read under one of the plan's hashes.

        Raises:
            KeyError: The hash is not the plan's.
        """
        return {self.hash: self.read_time, **dict(self.earlier)}[plan_hash]

    def renew(self, read_time: datetime) -> Plan:
        """The same plan for another moment: what is copied stays, and what is not is read at that moment."""
        return dataclasses.replace(self, read_time=read_time, earlier=(*self.earlier, (self.hash, self.read_time)))

    def to_json(self) -> dict[str, Any]:
        """What plan.json has."""
        source = self.source
        found: dict[str, Any] = {
            "format": FORMAT,
            "id": self.id,
            "source": {"project": source.project, "database": source.database, "namespace": source.namespace},
            "target": {"project": self.target.project, "database": self.target.database},
            "read_time": moment_text(self.read_time),
            "mode": self.mode,
            "transforms": [
                {"kind": one.kind, "field": one.field, "do": one.do, **one.options} for one in self.transforms
            ],
            "kinds": [_kind_json(kind) for kind in self.kinds],
            "foreign": self.foreign,
            "tool": self.tool,
        }
        if self.earlier:
            found["earlier"] = [{"plan": plan, "read_time": moment_text(moment)} for plan, moment in self.earlier]
        return found

    @classmethod
    def from_json(cls, data: Mapping[str, Any] | str | bytes, file: str = PLAN_FILE) -> Plan:
        """The plan in a plan.json.

        Args:
            data: The bytes or the text of the file, or the object in it.
            file: The name of the file, for errors.

        Raises:
            JobFileError: It is not a plan that this version can read.
        """
        form = Form.read(data, file, _KEYS)
        source, target = form.object("source"), form.object("target")
        source.check_keys(("project", "database", "namespace"))
        target.check_keys(("project", "database"))
        return cls(
            id=form.text("id"),
            source=Place(source.text("project"), source.text("database"), source.text("namespace", may_be_empty=True)),
            target=Place(target.text("project"), target.text("database")),
            read_time=form.moment("read_time"),
            mode=cast("Mode", form.choice("mode", MODES)),
            transforms=tuple(_transform(one) for one in form.objects("transforms")),
            kinds=_kinds(form.objects("kinds")),
            foreign=cast("Foreign", form.choice("foreign", FOREIGN)),
            tool=form.text("tool", may_be_empty=True),
            earlier=tuple(_earlier(form.objects("earlier"))) if form.has("earlier") else (),
        )


def _kind_json(kind: KindPlan) -> dict[str, Any]:
    found: dict[str, Any] = {"kind": kind.kind, "count": kind.count}
    if kind.collection != kind.kind:
        found["collection"] = kind.collection
    if kind.was_empty:
        found["was_empty"] = True
    # Keys are hexadecimal, since names may hold anything.
    found["shards"] = [[shard.start.hex(), shard.end.hex()] for shard in kind.shards]
    return found


def _kinds(forms: list[Form]) -> tuple[KindPlan, ...]:
    kinds: list[KindPlan] = []
    number = 0
    for form in forms:
        form.check_keys(("kind", "count", "collection", "was_empty", "shards"))
        kind = form.text("kind")
        if any(kind == other.kind for other in kinds):
            raise form.error("kind", f"{kind} is there twice")
        shards: list[Shard] = []
        for bounds in form.list_of("shards"):
            shards.append(Shard(kind, number, *_bounds(form, bounds, shards)))
            number += 1
        if not shards or shards[-1].end:
            raise form.error("shards", "the last range must end with the last key")
        collection = form.text("collection") if form.has("collection") else kind
        was_empty = form.flag("was_empty") if form.has("was_empty") else False
        kinds.append(KindPlan(kind, collection, form.count("count"), tuple(shards), was_empty))
    return tuple(kinds)


def _bounds(form: Form, bounds: object, before: Sequence[Shard]) -> tuple[bytes, bytes]:
    """Both ends of a range, which begins where the one before it ends."""
    expected = "expected [start, end], two keys in hexadecimal digits"
    if not isinstance(bounds, list) or len(cast("list[object]", bounds)) != 2:
        raise form.error("shards", expected)
    try:
        start, end = (bytes.fromhex(one) for one in cast("list[str]", bounds))
    except (TypeError, ValueError):
        raise form.error("shards", expected) from None
    if before and not before[-1].end:
        raise form.error("shards", "a range that ends with the last key must be the last one")
    if start != (before[-1].end if before else b""):
        raise form.error("shards", f"range {len(before)} must begin where the one before it ends")
    return start, end


def _transform(form: Form) -> Transform:
    change = cast("Change", form.choice("do", CHANGES))
    options = {key: form.plain(key) for key in form if key not in ("kind", "field", "do")}
    return Transform(form.text("kind"), form.text("field"), change, options)


def _earlier(forms: list[Form]) -> Iterator[tuple[str, datetime]]:
    for form in forms:
        form.check_keys(("plan", "read_time"))
        yield form.text("plan"), form.moment("read_time")


def new_id() -> str:
    """A new id of a migration: 26 characters that sort by time (https://github.com/ulid/spec)."""
    number = int(time.time() * 1000) << 80 | secrets.randbits(80)
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))
