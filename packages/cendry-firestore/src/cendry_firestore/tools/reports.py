"""What a scan has found. Nothing here sends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from cendry._immutable import dataclass

FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class FieldReport:
    """What stands at one place of documents.

    Attributes:
        field: Its stored name, from the outermost in: `mayor.name`, `tags[]` for the elements of an array, `scores.*`
            for the values of a map with many keys.
        declared: What the model declares; `None` for a field that it doesn't have.
        count: How many values there are.
        missing: How many documents don't have the field; of a field in a map, how many of those maps.
        kinds: How many values there are of each kind: `str`, `int`, `null`, `map`, ...
        samples: For each kind, the path of a document that has it.
    """

    field: str
    declared: str | None
    count: int
    missing: int
    kinds: Mapping[str, int]
    samples: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Misfit:
    """A way in which documents don't fit their model.

    Attributes:
        field: The field, from the outermost in, by the names of the model; empty for the document as a whole.
        expected: What the model declares.
        found: What is stored, without values.
        count: How many documents have it; of a field in arrays, how many elements.
        samples: The paths of some of them.
    """

    field: str
    expected: str
    found: str
    count: int
    samples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ModelReport:
    """How documents fit a model.

    Attributes:
        model: The name of the model.
        collection: The id of its collection.
        documents: How many were read.
        fits: How many the model reads.
        versions: How many there are of each version; empty for a model without versions.
        fields: What stands at each place, first what the model declares.
        misfits: What doesn't fit, the most frequent first.
        is_cut: Whether there are more places than the 10,000 that were counted.
    """

    model: str
    collection: str
    documents: int
    fits: int
    versions: Mapping[int, int]
    fields: tuple[FieldReport, ...]
    misfits: tuple[Misfit, ...]
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class DriftReport:
    """How stored documents fit models.

    Attributes:
        models: What was found for each model.
    """

    models: tuple[ModelReport, ...]

    @property
    def ok(self) -> bool:
        """Whether the models read all documents that were looked at."""
        return all(one.fits == one.documents for one in self.models)

    def to_json(self) -> dict[str, Any]:
        """The report as an object of JSON."""
        return {"format": FORMAT, "ok": self.ok, "models": [_json(one) for one in self.models]}


def _json(one: ModelReport) -> dict[str, Any]:
    return {
        "model": one.model,
        "collection": one.collection,
        "documents": one.documents,
        "fits": one.fits,
        "versions": {str(version): count for version, count in one.versions.items()},
        "is_cut": one.is_cut,
        "misfits": [
            {
                "field": each.field,
                "expected": each.expected,
                "found": each.found,
                "count": each.count,
                "samples": list(each.samples),
            }
            for each in one.misfits
        ],
        "fields": [
            {
                "field": each.field,
                "declared": each.declared,
                "count": each.count,
                "missing": each.missing,
                "kinds": dict(each.kinds),
                "samples": dict(each.samples),
            }
            for each in one.fields
        ],
    }
