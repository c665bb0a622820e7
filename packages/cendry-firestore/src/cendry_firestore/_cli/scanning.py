"""What stored documents look like, from the command line."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

from cendry._command.failing import FINE, PROBLEMS
from cendry._command.loading import load_models
from cendry._command.printing import Printer

from ..tools import DriftReport, FieldReport, Misfit, ModelReport, drift, infer
from .places import Place

_SHOWN: Final = 20
_WIDTH: Final = 60


def print_drift(printer: Printer, models: str, place: Place, *, sample: int | None, debug: bool) -> int:
    """Print how documents fit models; returns the exit code."""
    classes = load_models([models], debug=debug)
    with place.open() as backend, printer.progress("drift") as show:
        report = drift(backend, classes, sample=sample, on_progress=show)
    printer.result(report.to_json())
    for each in report.models:
        print_model(printer, each)
    printer.line(summary_of(report))
    return FINE if report.ok else PROBLEMS


def print_model(printer: Printer, report: ModelReport) -> None:
    """Print what was found for a model."""
    printer.line(f"{report.model}  {report.collection}  documents {report.documents:,}  fits {report.fits:,}")
    if report.versions:
        shown = "  ".join(f"{version}: {count:,}" for version, count in report.versions.items())
        printer.line(f"  versions  {shown}")
    for misfit in report.misfits[:_SHOWN]:
        printer.line(f"  {misfit_text(misfit)}")
    if len(report.misfits) > _SHOWN:
        printer.line(f"  and {len(report.misfits) - _SHOWN:,} more; --json prints all")
    rows = [field_row(each) for each in report.fields]
    printer.table(("field", "declared", "missing", "stored"), rows)
    if report.is_cut:
        printer.line("  There are more places than are counted.")
    printer.line()


def misfit_text(misfit: Misfit) -> str:
    """`born: expected date, found str (5: people/a, …)`."""
    more = ", …" if misfit.count > len(misfit.samples) else ""
    where = f": {', '.join(misfit.samples)}{more}" if misfit.samples else ""
    what = f"expected {misfit.expected}, found {misfit.found}"
    return f"{misfit.field or 'the document'}: {what} ({misfit.count:,}{where})"


def field_row(report: FieldReport) -> tuple[str, str, int, str]:
    """A line of the table of fields."""
    declared = "unknown" if report.declared is None else report.declared
    kinds = ", ".join(f"{kind} {count:,}" for kind, count in report.kinds.items())
    where = f"  ({next(iter(report.samples.values()))})" if report.declared is None and report.samples else ""
    return _cut(report.field), _cut(declared), report.missing, f"{kinds or 'nothing'}{where}"


def _cut(text: str) -> str:
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 1]}…"


def summary_of(report: DriftReport) -> str:
    """How many documents don't fit."""
    documents = sum(each.documents for each in report.models)
    misfits = documents - sum(each.fits for each in report.models)
    if not misfits:
        return f"All {documents:,} documents fit."
    return f"{misfits:,} of {documents:,} documents {'does' if misfits == 1 else 'do'}n't fit."


def print_models(printer: Printer, collections: Sequence[str], place: Place, *, sample: int, group: bool) -> int:
    """Print the source of models; returns the exit code."""
    with place.open() as backend, printer.progress("infer") as show:
        source = infer(backend, *collections, sample=sample, group=group, on_progress=show)
    sys.stdout.write(source)
    return FINE
