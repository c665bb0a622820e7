"""What the steps of a migration report. Nothing here sends, waits or reads a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from typing import Any, Final, Literal, cast

from cendry._immutable import dataclass

from .forms import FORMAT, Form, moment_text

VERIFY_FILE: Final = "verify.json"


@dataclass(frozen=True, slots=True)
class Trap:
    """Something in an entity that becomes another thing in Firestore, or that people should know of.

    Attributes:
        name: What kind of thing: `uneven`, `foreign`, `escaped`, ...
        field: The stored name of the property; empty for the key.
        detail: What was found, without values.
    """

    name: str
    field: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """What a copy did.

    Attributes:
        copied: How many documents are written, those of earlier runs included.
        dead: How many entities can't be documents; they are in the dead letters.
        seconds: How long this run took.
        read_time: The moment at which the source was read.
        deleted: How many documents were deleted, since their entities are gone.
        skipped: How many entities were read and not written, since they have not changed.
        traps: How often each kind of trap occurred in this run.
    """

    copied: int
    dead: int
    seconds: float
    read_time: datetime
    deleted: int = 0
    skipped: int = 0
    traps: Mapping[str, int] = field(default_factory=dict[str, int])

    def to_json(self) -> dict[str, Any]:
        """The result in JSON."""
        return {
            "copied": self.copied,
            "dead": self.dead,
            "deleted": self.deleted,
            "skipped": self.skipped,
            "seconds": self.seconds,
            "read_time": moment_text(self.read_time),
            "traps": dict(self.traps),
        }


@dataclass(frozen=True, slots=True)
class Problem:
    """A way in which entities of a kind don't fit their model.

    Attributes:
        kind: The kind.
        field: The field, from the outermost in; empty for the entity as a whole.
        expected: What the model declares.
        found: What is stored, without values.
        count: How many entities have it.
        paths: Some of them.
        advice: What to do about it; may be empty.
        model: The name of the model; may be empty.
    """

    kind: str
    field: str
    expected: str
    found: str
    count: int = 1
    paths: tuple[str, ...] = ()
    advice: str = ""
    model: str = ""


@dataclass(frozen=True, slots=True)
class KindReport:
    """What was found of a kind.

    Attributes:
        kind: The kind.
        entities: How many were read.
        model: The name of its model, or `None`.
        fits: How many fit the model.
    """

    kind: str
    entities: int
    model: str | None = None
    fits: int = 0

    @property
    def problems(self) -> int:
        """How many entities don't fit the model; 0 without one."""
        return 0 if self.model is None else self.entities - self.fits


@dataclass(frozen=True, slots=True)
class TrapReport:
    """How often a trap occurs in a field.

    Attributes:
        name: What kind of thing it is.
        kind: The kind.
        field: The stored name of the property; empty for the key.
        count: How many entities have it.
        example: What was found in one of them, without values.
    """

    name: str
    kind: str
    field: str
    count: int
    example: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """How the entities of a database fit models.

    Attributes:
        problems: What doesn't fit.
        kinds: What was found of each kind.
        traps: What becomes another thing in Firestore.
    """

    problems: tuple[Problem, ...]
    kinds: tuple[KindReport, ...]
    traps: tuple[TrapReport, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether all entities that have a model fit it."""
        return not self.problems

    def to_json(self) -> dict[str, Any]:
        """What validate.json has."""
        return {
            "format": FORMAT,
            "ok": self.ok,
            "kinds": [
                {
                    "kind": one.kind,
                    "entities": one.entities,
                    "model": one.model,
                    "fits": one.fits,
                    "problems": one.problems,
                }
                for one in self.kinds
            ],
            "problems": [
                {
                    "kind": one.kind,
                    "field": one.field,
                    "expected": one.expected,
                    "found": one.found,
                    "count": one.count,
                    "paths": list(one.paths),
                    "advice": one.advice,
                    "model": one.model,
                }
                for one in self.problems
            ],
            "traps": [
                {"name": one.name, "kind": one.kind, "field": one.field, "count": one.count, "example": one.example}
                for one in self.traps
            ],
        }


@dataclass(frozen=True, slots=True)
class Difference:
    """A document that is not what its entity says.

    Attributes:
        path: The path of the document.
        what: Whether it is `missing` in the target, `extra` there, or `different`.
        fields: The paths of the fields that differ.
    """

    path: str
    what: Literal["missing", "extra", "different"]
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Proof:
    """How source and target compare.

    Attributes:
        source: How many entities the source has.
        target: How many documents the target has.
        missing: How many documents are missing.
        extra: How many documents have no entity.
        different: How many documents are not what their entities say.
        changed: How many entities changed after the copy had read them.
        dead: How many entities can't be documents.
        expired: How many documents are missing since their time to live has passed.
        differences: The first 100 differences.
        plan: The hash of the plan.
        source_time: The moment at which the source was read.
        target_time: The moment at which the target was read.
        sample: The share of the entities that was compared; `None` for all.
    """

    source: int
    target: int
    missing: int = 0
    extra: int = 0
    different: int = 0
    changed: int = 0
    dead: int = 0
    expired: int = 0
    differences: tuple[Difference, ...] = ()
    plan: str = ""
    source_time: datetime | None = None
    target_time: datetime | None = None
    sample: float | None = None

    @property
    def ok(self) -> bool:
        """Whether both sides are equal, but for what is counted as `changed`, `dead` and `expired`."""
        return not (self.missing or self.extra or self.different)

    def to_json(self) -> dict[str, Any]:
        """What verify.json has."""
        counts = {name: getattr(self, name) for name in _COUNTS}
        moments = {name: moment_text(one) for name in _MOMENTS if (one := getattr(self, name)) is not None}
        differences = [{"path": one.path, "what": one.what, "fields": list(one.fields)} for one in self.differences]
        facts: dict[str, Any] = {"format": FORMAT, "plan": self.plan, "ok": self.ok, **counts, **moments}
        return {**facts, "sample": self.sample, "differences": differences}

    @classmethod
    def from_json(cls, data: Mapping[str, Any] | str | bytes, file: str = VERIFY_FILE) -> Proof:
        """The proof in a verify.json.

        Args:
            data: The bytes or the text of the file, or the object in it.
            file: The name of the file, for errors.

        Raises:
            JobFileError: It is not a proof that this version can read.
        """
        form = Form.read(data, file, ("plan", "ok", *_COUNTS, *_MOMENTS, "sample", "differences"))
        return cls(
            source=form.count("source"),
            target=form.count("target"),
            missing=form.count("missing"),
            extra=form.count("extra"),
            different=form.count("different"),
            changed=form.count("changed"),
            dead=form.count("dead"),
            expired=form.count("expired"),
            differences=tuple(_difference(one) for one in form.objects("differences")),
            plan=form.text("plan", may_be_empty=True),
            source_time=form.moment("source_time") if form.has("source_time") else None,
            target_time=form.moment("target_time") if form.has("target_time") else None,
            sample=form.number("sample"),
        )


_COUNTS: Final = ("source", "target", "missing", "extra", "different", "changed", "dead", "expired")
_MOMENTS: Final = ("source_time", "target_time")


def _difference(form: Form) -> Difference:
    form.check_keys(("path", "what", "fields"))
    what = cast("Any", form.choice("what", ("missing", "extra", "different")))
    fields = form.list_of("fields")
    if not all(isinstance(one, str) for one in fields):
        raise form.error("fields", "expected a list of strings")
    return Difference(form.text("path"), what, tuple(fields))
