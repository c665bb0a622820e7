"""How the entities of a database fit models, found by reading each of them; nothing is written."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from cendry._model.model import Model
from cendry._types.registry import default_registry
from cendry.codec import Codec, codec_for
from cendry.codec.message import decoder
from cendry.errors import DecodeError, JobError
from cendry.errors import Problem as FieldProblem
from cendry.jobs import Progress, Tracker

from .._dialect import DATASTORE
from .._keys import Partition, key_path
from .._ndb import parts_below
from .._values import decode_properties
from .choices import Observer, asked_by
from .reports import KindReport, Problem, Report
from .transforms import Tree
from .traps import TrapScan
from .values import Shard

if TYPE_CHECKING:
    from .source import Source

MAX_PATHS: Final = 3
"""Entities that are named for each problem."""

MAX_PROBLEMS: Final = 1_000
"""Different problems of one kind that are told apart."""

_INDEX: Final = re.compile(r"\[\d+\]")
_KIND: Final = re.compile(r"[A-Za-z_][\w.]*")
_CONSTRAINTS: Final = ("missing", "unknown", "value", "tag")


class DottedAliasError(JobError):
    """A field's alias names a part of what ndb stores in parts, and the migration makes a map of it.

    Attributes:
        model: The name of the model.
        field: The name of the field.
        alias: The name that is stored.
    """

    def __init__(self, model: str, field: str, alias: str) -> None:
        self.model = model
        self.field = field
        self.alias = alias
        super().__init__(
            f"{model}.{field} is stored as {alias!r}, a part of what ndb stores in parts. After the migration "
            f"{alias.partition('.')[0]!r} is a map: declare it as a Map."
        )


def validate(
    source: Source,
    models: Sequence[type[Model]],
    *,
    sample: int | None = None,
    ndb: bool = False,
    on_progress: Callable[[Progress], object] | None = None,
) -> Report:
    """Read the entities of a database, and report which ones don't fit their models, and what to know before moving.

    Each entity that is read costs a read. Rules (constraints and `__validate__`) are not checked, as on any read.

    Args:
        source: The database.
        models: The models; kinds without one are counted.
        sample: At most how many entities of each kind are read, the first ones by key; all by default.
        ndb: Whether entities are read as `DatastoreBackend(ndb=True)` reads them.
        on_progress: Called with a `Progress` after each page.

    Returns:
        The report. It is `ok` if all entities that were read and have a model fit it.

    Raises:
        DottedAliasError: A model can't be used after the migration.
    """
    if ndb:
        check_aliases(models)
    kinds, by_kind = source.kinds(), models_by_kind(models)
    scans: list[KindScan] = []
    tracker = Tracker("validate")
    partition = source.partition
    for kind in sorted({*kinds, *by_kind}):
        found = [KindScan(kind, model, partition, ndb=ndb) for model in by_kind.get(kind, (None,))]
        traps = TrapScan(kind, partition)
        scans += found
        found[0].traps = traps
        left = sample
        for page in source.pages(Shard(kind, 0)):
            results = page.results if left is None else page.results[:left]
            for result in results:
                traps.see(result.entity)
                for scan in found:
                    scan.see(result.entity)
            tracker.note(len(results))
            if on_progress is not None:
                on_progress(tracker.progress())
            if left is not None and (left := left - len(results)) <= 0:
                break
    return report_of(scans)


def report_of(scans: Iterable[KindScan]) -> Report:
    """What scans of kinds have found."""
    scans = list(scans)
    problems = [problem for scan in scans for problem in scan.problems()]
    traps = [trap for scan in scans if scan.traps is not None for trap in scan.traps.report()]
    return Report(tuple(problems), tuple(scan.report() for scan in scans), tuple(traps))


def models_by_kind(models: Iterable[type[Model]]) -> dict[str, tuple[type[Model], ...]]:
    """The models of each kind; of tagged models, only the base, which reads all of them."""
    found: dict[str, list[type[Model]]] = {}
    for model in models:
        found.setdefault(str(model.__collection__), []).append(model)
    return {
        kind: tuple(each for each in those if not any(each is not other and issubclass(each, other) for other in those))
        for kind, those in found.items()
    }


def check_aliases(models: Iterable[type[Model]]) -> None:
    """Refuse aliases with a dot: what ndb stores in parts becomes a map, and the parts are gone.

    Raises:
        DottedAliasError: There is one.
    """
    for model in models:
        for field in codec_for(model, default_registry).shape.fields:
            if "." in field.stored:
                raise DottedAliasError(model.__qualname__, field.name, field.stored)


class KindScan:
    """Counts how the entities of a kind fit a model.

    Args:
        kind: The kind.
        model: Its model, if it has one.
        partition: Where the entities live.
        ndb: Whether they are read as ndb reads them.
    """

    def __init__(self, kind: str, model: type[Model] | None, partition: Partition, *, ndb: bool = False) -> None:
        self.kind = kind
        self.model = model
        self.partition = partition
        self.count = self.fits = self.further = 0
        self.traps: TrapScan | None = None
        self._found: dict[tuple[str, str, str, str], list[Any]] = {}
        self._codec: Codec[Any] | None = None if model is None else codec_for(model, default_registry)
        self._read = None if self._codec is None else decoder(self._codec, DATASTORE)
        # What ndb stores is judged in the form that it has after the migration.
        self._tree = Tree(asked_by([model])) if ndb and model is not None else None

    def see(self, entity: Any) -> None:
        """Count an `Entity` message."""
        self.count += 1
        if self._read is None:
            return
        path = key_path(entity.key, self.partition)
        properties = entity.properties if self._tree is None else self._tree.apply(entity.properties, Observer(""))
        try:
            self._read(properties, path.rpartition("/")[2], path, self.partition)
        except DecodeError as error:
            self._explain(properties, path, error)
        else:
            self.fits += 1

    def _explain(self, properties: Any, path: str, error: DecodeError) -> None:
        codec = self._codec
        assert codec is not None
        data = decode_properties(properties, self.partition)
        problems = [each for each in codec.problems(data, DATASTORE.reading) if each.code in _CONSTRAINTS]
        # A constructor that refuses is found only where an instance is made.
        for each in problems or [FieldProblem(error.field or "", error.expected, error.found)]:
            self._note(self._key_of(each, data), path)

    def _key_of(self, problem: FieldProblem, data: dict[str, Any]) -> tuple[str, str, str, str]:
        field = _INDEX.sub("[]", problem.path)
        match problem.code:
            case "missing" if problem.found.startswith("only parts of it"):
                stored = next((key for key in sorted(data) if key.startswith(f"{problem.path}.")), problem.path)
                parts = parts_below(data, stored.partition(".")[0])
                return field, problem.expected, f"parts of it ({', '.join(parts)})", "use --ndb"
            case "missing":
                return field, problem.expected, "nothing", ""
            case "unknown":
                return field, problem.expected, "a field that the model doesn't have", ""
            case _:
                # Its kind alone: values are people's data.
                kind = _KIND.match(problem.found)
                return field, problem.expected, kind[0] if kind else "another value", ""

    def _note(self, key: tuple[str, str, str, str], path: str) -> None:
        known = self._found.get(key)
        if known is None:
            if len(self._found) >= MAX_PROBLEMS:
                self.further += 1
                return
            known = self._found[key] = list[Any]((0,))
        known[0] += 1
        if len(known) <= MAX_PATHS and path not in known:
            known.append(path)

    def report(self) -> KindReport:
        """How many entities there are, and how many fit."""
        name = None if self.model is None else self.model.__name__
        return KindReport(self.kind, self.count, name, self.fits)

    def problems(self) -> list[Problem]:
        """What doesn't fit, the most frequent first."""
        name = "" if self.model is None else self.model.__name__
        found = sorted(self._found.items(), key=lambda item: (-item[1][0], item[0]))
        problems = [
            Problem(self.kind, field, expected, stored, count, tuple(paths), advice, name)
            for (field, expected, stored, advice), (count, *paths) in found
        ]
        if self.further:
            problems.append(Problem(self.kind, "", "the model", "further problems", self.further, model=name))
        return problems
