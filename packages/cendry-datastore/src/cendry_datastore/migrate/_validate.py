"""How the entities of a database fit models, found by reading each of them; nothing is written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from cendry._model.model import Model
from cendry._scan import Misfits, found_on_reads
from cendry._types.registry import default_registry
from cendry.codec import Codec, codec_for
from cendry.codec.message import decoder
from cendry.errors import DecodeError, JobError
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
        self.count = self.fits = 0
        self.traps: TrapScan | None = None
        self._misfits = Misfits()
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
        for each in found_on_reads(codec.problems(data, DATASTORE.reading), error):
            if each.code == "missing" and each.found.startswith("only parts of it"):
                self._misfits.note(each, path, _parts_of(each.path, data), "use --ndb")
            else:
                self._misfits.note(each, path)

    def report(self) -> KindReport:
        """How many entities there are, and how many fit."""
        name = None if self.model is None else self.model.__name__
        return KindReport(self.kind, self.count, name, self.fits)

    def problems(self) -> list[Problem]:
        """What doesn't fit, the most frequent first."""
        name = "" if self.model is None else self.model.__name__
        problems = [
            Problem(self.kind, one.field, one.expected, one.found, one.count, one.samples, one.advice, name)
            for one in self._misfits
        ]
        if self._misfits.further:
            problems.append(Problem(self.kind, "", "the model", "further problems", self._misfits.further, model=name))
        return problems


def _parts_of(path: str, data: dict[str, Any]) -> str:
    """What is stored of a field that ndb stores in parts."""
    stored = next((key for key in sorted(data) if key.startswith(f"{path}.")), path)
    return f"parts of it ({', '.join(parts_below(data, stored.partition('.')[0]))})"
