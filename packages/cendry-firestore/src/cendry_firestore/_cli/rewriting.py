"""Backfills, from the command line: what they ask before, and what they print after."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, Final, cast

from cendry._command.failing import FINE, PROBLEMS, WrongUseError
from cendry._command.loading import load_model, load_object
from cendry._command.printing import Printer, ask
from cendry._immutable import dataclass
from cendry._model.model import Model
from cendry._types.evolutions import evolution_of
from cendry.errors import JobFileError
from cendry.jobs import DeadLetters, open_store, shard_name

from ..tools import BackfillResult, Diff, backfill, retry_dead
from .places import Place

DIRECTORY: Final = "backfills"
_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a backfill that its state doesn't keep.

    Attributes:
        state: The directory, or `None`.
        group: Whether all collections of the id are meant; `None` for what the model says.
        workers: How many threads work at once.
        rate: The most documents per second, or `None`.
        take_over: Whether the lock is taken from another process.
    """

    state: str | None
    group: bool | None
    workers: int
    rate: float | None
    take_over: bool


def rewrite(
    printer: Printer,
    model_name: str,
    function_name: str | None,
    options: Options,
    place: Place,
    *,
    yes: bool,
    dry_run: bool,
    retry: bool,
    debug: bool,
) -> int:
    """Backfill a model, or only the documents that were given up; returns the exit code."""
    model = load_model(model_name, debug=debug)
    function = None if function_name is None else load_function(function_name, debug=debug)
    version = version_of(model)
    if function is None and version is None:
        raise WrongUseError(
            f"{model.__name__} has no version= and so no upgrades: give it a version, or name a function with "
            "--function MODULE:NAME."
        )
    if dry_run and retry:
        raise WrongUseError("--dry-run and --retry-dead exclude each other.")
    what = f"version-{version}" if function is None else getattr(function, "__name__", "function")
    state = options.state or default_directory(model, what)
    with place.open() as backend:
        if not (yes or dry_run or place.emulator):
            ask(f"rewrite documents of {model.__collection__!r} in {place}?", "on Google Cloud")
        common: dict[str, Any] = {"group": options.group, "take_over": options.take_over}
        title = "retry" if retry else "dry run" if dry_run else "backfill"
        with printer.progress(title) as show, _located(state):
            if retry:
                result = retry_dead(backend, model, function, state=state, on_progress=show, **common)
            else:
                result = backfill(
                    backend,
                    model,
                    function,
                    state=None if dry_run else state,
                    workers=options.workers,
                    rate=options.rate,
                    dry_run=dry_run,
                    on_progress=show,
                    **common,
                )
    return print_result(printer, result, None if dry_run else state)


@contextmanager
def _located(state: str) -> Generator[None, None, None]:
    """Errors about a file of the state name its directory, which may be the default one."""
    try:
        yield
    except JobFileError as error:
        raise WrongUseError(f"{state}: {error}") from error


def load_function(spec: str, *, debug: bool) -> Callable[[dict[str, Any]], dict[str, Any] | None]:
    """The function that `app.upgrades:split_name` names.

    Raises:
        WrongUseError: There is no such function.
    """
    found = load_object(spec, debug=debug)
    if not callable(found):
        raise WrongUseError(f"{spec} is not a function.")
    return cast("Callable[[dict[str, Any]], dict[str, Any] | None]", found)


def version_of(model: type[Model]) -> int | None:
    """The version of a model, or `None` if it has none."""
    evolution = evolution_of(model)
    return None if evolution is None else evolution.version


def default_directory(model: type[Model], what: str) -> str:
    """The directory of a backfill, which differs for each version of a model and for each function."""
    # As the names of state: any collection has one that every disk takes.
    collection = shard_name(str(model.__collection__), 0).rpartition("-")[0]
    return os.path.join(DIRECTORY, f"{collection}-{what}")


def print_result(printer: Printer, result: BackfillResult, state: str | None) -> int:
    """Print what a backfill has done; returns the exit code."""
    letters = list(result.failures) if state is None else list(DeadLetters.read(open_store(state)).values())
    printer.result(
        {
            "rewritten": result.rewritten,
            "unchanged": result.unchanged,
            "dead": result.dead,
            "seconds": result.seconds,
            "state": state,
            "diffs": [diff_json(each) for each in result.diffs],
            "dead_letters": [{"path": each.path, "error": each.error} for each in letters[:_SHOWN]],
        }
    )
    verb = "would rewrite" if state is None else "rewritten"
    printer.line(
        f"{verb} {result.rewritten:,}  unchanged {result.unchanged:,}  dead {result.dead:,}  {result.seconds:,.1f} s"
    )
    for each in result.diffs:
        printer.line(str(each))
    for letter in letters[:_SHOWN]:
        printer.line(f"  {letter.path}: {letter.error}")
    more = result.dead - min(len(letters), _SHOWN)
    if more:
        where = "" if state is None else f", in {os.path.join(state, 'dead')}"
        printer.line(f"  and {more:,} more{where}")
    return PROBLEMS if result.dead else FINE


def diff_json(diff: Diff) -> dict[str, Any]:
    """A change as JSON; values as Python writes them."""
    return {
        "path": diff.path,
        "before": {name: repr(value) for name, value in diff.before.items()},
        "after": {name: repr(value) for name, value in diff.after.items()},
    }
