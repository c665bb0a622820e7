"""The comparison of both sides, from the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cendry._command.failing import FINE, PROBLEMS, WrongUseError
from cendry._command.printing import Printer
from cendry._model.model import Model

from ..migrate import Proof
from ..migrate.checks import opened
from .directories import load_plan

_PERCENT = 100
_SHOWN = 20


def verify_plan(
    printer: Printer,
    directory: str,
    *,
    sample: float | None,
    models: Sequence[type[Model]],
    ttl: Mapping[str, str],
) -> int:
    """Compare both sides."""
    from ..migrate import verify

    store, plan = load_plan(directory)
    with opened(plan) as (source, target), printer.progress("verify") as show:
        proof = verify(
            plan, state=store, sample=sample, on_progress=show, source=source, target=target, models=models, ttl=ttl
        )
    return print_proof(printer, proof)


def print_proof(printer: Printer, proof: Proof) -> int:
    """Print how both sides compare; returns the exit code."""
    printer.result(proof.to_json())
    names = ("source", "target", "missing", "extra", "different")
    more = [name for name in ("changed", "dead", "expired") if getattr(proof, name)]
    printer.line("  ".join(f"{name} {getattr(proof, name):,}" for name in (*names, *more)))
    for one in proof.differences[:_SHOWN]:
        fields = f"  {', '.join(one.fields)}" if one.fields else ""
        printer.line(f"  {one.what}  {one.path}{fields}")
    if len(proof.differences) > _SHOWN:
        printer.line(f"  and {len(proof.differences) - _SHOWN} more, in verify.json")
    return FINE if proof.ok else PROBLEMS


def share_of(text: str) -> float:
    """`1%` or `0.01` as a share.

    Raises:
        WrongUseError: It is not one.
    """
    number = text.removesuffix("%")
    try:
        share = float(number) / (_PERCENT if number != text else 1)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise WrongUseError(f"--sample takes a share such as 1% or 0.01, not {text!r}.")
    return share
