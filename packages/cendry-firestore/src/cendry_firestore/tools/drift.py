"""`drift`: how stored documents fit models, found by reading them; nothing is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

from cendry._query.results import reader
from cendry._scan import Histogram, Misfits, Room, found_on_reads
from cendry._types.evolutions import evolution_of
from cendry._types.families import Family
from cendry._types.registry import TypeRegistry
from cendry.backend import StoredDocument
from cendry.codec import Codec, codec_for
from cendry.codec.reading import STORED
from cendry.codec.upgrading import run_upgrades, version_of
from cendry.errors import DecodeError, Problem
from cendry.jobs import Progress, Stop

from .places import declared_of, field_reports
from .ranges import Selection
from .reports import DriftReport, Misfit, ModelReport
from .scanning import scanned
from .targets import Source, opened, registry_of, selection_of

if TYPE_CHECKING:
    from cendry import Model

MAX_PLACES: Final = 10_000
"""Places of one collection that are told apart."""


def drift(
    source: Source,
    models: type[Model] | Sequence[type[Model]],
    /,
    *,
    sample: int | None = None,
    on_progress: Callable[[Progress], object] | None = None,
    stop: Stop | None = None,
) -> DriftReport:
    """Report which stored documents their models don't read, and what stands in which field.

    All documents are read once, each costs a read; memory doesn't grow with their number. Documents of older versions
    are upgraded as on any read. Constraints and `__validate__` are not checked, as on any read.

    Args:
        source: A context, a backend, or the SDK's client.
        models: A model with a collection, or several. A model with a `parent` stands for all collections of its id.
        sample: At most how many documents of each collection are read, the first ones by key; all by default.
        on_progress: Called with a `Progress` after each page.
        stop: Ends the work early.

    Returns:
        The report. It is `ok` if the models read all documents that were looked at.

    Raises:
        JobStoppedError: It was asked to stop.
        TypeError: An argument is of the wrong type.
        ValueError: An argument has a wrong value.
    """
    given: Any = models
    groups: dict[Selection, dict[type[Model], None]] = {}
    is_one = isinstance(cast("object", given), (type, str)) or not isinstance(cast("object", given), Iterable)
    several: list[Any] = [given] if is_one else list(given)
    if not several:
        raise TypeError("drift() takes models, and there are none.")
    for model in several:
        if isinstance(model, str):
            raise TypeError(f"drift() takes models, not {model!r}; infer() takes the ids of collections.")
        selection = selection_of("drift", model)
        # The class with the tag field reads the documents of all its subclasses.
        family: Family | None = model.__cendry_family__
        groups.setdefault(selection, {})[model if family is None else family.root] = None
    found: list[ModelReport] = []
    registry = registry_of(source)
    with opened(source) as backend:
        for selection, classes in groups.items():
            scans = [ModelScan(each, registry) for each in classes]
            room = Room(MAX_PLACES)
            histogram = Histogram(room)
            for document in scanned(backend, selection, "drift", sample, on_progress, stop):
                data = document.data or {}
                histogram.add(data, document.path)
                for scan in scans:
                    scan.see(document, data)
            found += [scan.report(histogram, selection, is_cut=room.left < 0) for scan in scans]
    return DriftReport(tuple(found))


class ModelScan:
    """Counts how documents fit a model.

    Attributes:
        model: The model.

    Args:
        model: As above.
        registry: The registry of types.
    """

    def __init__(self, model: type[Model], registry: TypeRegistry) -> None:
        self.model = model
        self._codec: Codec[Any] = codec_for(model, registry)
        self._evolution = evolution_of(model)
        if self._evolution is not None:
            self._evolution.check()
        self._read = reader(self._codec)
        self._misfits = Misfits()
        self._fits = 0
        self._versions: Counter[int] = Counter()

    def see(self, document: StoredDocument, data: dict[str, Any]) -> None:
        """Count a document.

        Args:
            document: The document.
            data: Its stored fields.
        """
        try:
            self._read(document)
        except DecodeError as error:
            for problem in self._problems(document.path, data, error):
                self._misfits.note(problem, document.path)
        else:
            self._fits += 1
        if self._evolution is not None:
            found = data.get(self._evolution.version_field, 1)
            if type(found) is int:
                self._versions[found] += 1

    def _problems(self, path: str, data: dict[str, Any], error: DecodeError) -> Iterator[Problem]:
        """All that is wrong with a document which the model doesn't read."""
        evolution = self._evolution
        if evolution is not None:
            if error.field == evolution.version_field:
                # The version, or an upgrade.
                yield Problem(error.field, error.expected, error.found, "rule")
                return
            version = version_of(evolution, data, path, self.model)
            data = {key: value for key, value in data.items() if key != evolution.version_field}
            # Newer ones are read with extra="keep".
            if version < evolution.version:
                data = run_upgrades(self.model, data, version, path)
        yield from found_on_reads(self._codec.problems(data, STORED), error)

    def report(self, found: Histogram, selection: Selection, *, is_cut: bool) -> ModelReport:
        """What was found.

        Args:
            found: A histogram of the same documents.
            selection: Which they were.
            is_cut: Whether it has not all places.
        """
        misfits = [Misfit(one.field, one.expected, one.found, one.count, one.samples) for one in self._misfits]
        if self._misfits.further:
            misfits.append(Misfit("", "the model", "further misfits", self._misfits.further, ()))
        declared = declared_of(self._codec)
        if self._evolution is not None:
            found.fields.pop(self._evolution.version_field, None)
        return ModelReport(
            self.model.__qualname__,
            selection.collection,
            found.count,
            self._fits,
            dict(sorted(self._versions.items())),
            tuple(field_reports(found, declared)),
            tuple(misfits),
            is_cut,
        )
