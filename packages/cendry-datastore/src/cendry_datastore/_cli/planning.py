"""Plans, from the command line."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cendry._command.failing import FINE, WrongUseError
from cendry._command.printing import Printer
from cendry._model.model import Model
from cendry.indexes import from_datastore, to_firebase
from cendry.jobs import write_json

from ..migrate import Source, Target, Transforms
from ..migrate._plan import draft, renew
from ..migrate._status import INDEXES_FILE
from ..migrate.checks import opened
from ..migrate.errors import MixedEmulatorsError
from ..migrate.estimates import Prices
from ..migrate.forms import moment_text
from ..migrate.indexing import INDEX_YAML
from ..migrate.values import PLAN_FILE
from .directories import load_plan, store_of
from .reporting import print_draft


def make_plan(
    printer: Printer,
    directory: str,
    models: Sequence[type[Model]] | None,
    *,
    source: Source,
    target: Target,
    kinds: Sequence[str] | None,
    renames: Mapping[str, str],
    prefix: str | None,
    foreign: Any,
    index_yaml: str | None,
    prices: tuple[float | None, float | None],
    allow_mixed: bool,
    assume_modes: bool,
) -> int:
    """Make a plan in a directory that has none.

    Raises:
        WrongUseError: It has one, the `index.yaml` can't be read, or a kind that is asked for has no entities.
    """
    check_emulators(allow_mixed=allow_mixed)
    store = store_of(directory)
    if store.get(PLAN_FILE) is not None:
        raise WrongUseError(
            f"{directory} has a plan already. A plan is made once: use another directory, or --renew for a new moment."
        )
    indexes = None if index_yaml is None else read_index_yaml(index_yaml)
    default = Prices()
    read, write = prices
    own = Prices(default.read if read is None else read, default.write if write is None else write)
    with source as read_from, target as written_to, printer.progress("plan") as show:
        found = list(kinds) if kinds else read_from.kinds()
        prefixed = {kind: f"{prefix}_{kind}" for kind in found} if prefix else {}
        transforms = (Transforms.raw() if models is None else Transforms.ndb(*models)).rename({**prefixed, **renames})
        made = draft(
            read_from,
            written_to,
            kinds=found,
            transforms=transforms,
            foreign=foreign,
            allow_mixed=allow_mixed,
            assume_modes=assume_modes,
            prices=own,
            index_yaml=indexes,
            on_progress=show,
        )
    if absent := [each.kind for each in made.plan.kinds if kinds and not each.count]:
        raise WrongUseError(f"There are no entities of kind {absent[0]!r} in {made.plan.source}. Nothing was planned.")
    if indexes is not None:
        store.put(INDEX_YAML, indexes.encode())
    store.put(INDEXES_FILE, to_firebase(made.indexes).encode())
    write_json(store, PLAN_FILE, made.plan.to_json())
    print_draft(printer, made, directory)
    return FINE


def read_index_yaml(path: str) -> str:
    """The text of an `index.yaml`.

    Raises:
        WrongUseError: There is no such file, or it is another one.
    """
    try:
        text = Path(path).read_text("utf-8")
        from_datastore(text, name=path)
    except OSError as error:
        raise WrongUseError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise WrongUseError(f"{path} is not UTF-8 text: {error.reason} at byte {error.start}.") from error
    except ValueError as error:
        raise WrongUseError(str(error)) from error
    return text


def check_emulators(*, allow_mixed: bool) -> None:
    """Refuse an emulator on one side alone, before credentials for the other side are looked for.

    Raises:
        MixedEmulatorsError: It is so, and not meant.
    """
    source, target = (os.environ.get(f"{side}_EMULATOR_HOST") or None for side in ("DATASTORE", "FIRESTORE"))
    if (source is None) != (target is None) and not allow_mixed:
        raise MixedEmulatorsError(source, target)


def renew_plan(printer: Printer, directory: str) -> int:
    """Give a plan a new moment; what is copied stays."""
    store, before = load_plan(directory)
    with opened(before) as (source, _):
        after = renew(before, source)
    write_json(store, PLAN_FILE, after.to_json())
    printer.result({"read_time": moment_text(after.read_time), "hash": after.hash})
    printer.line(f"Read time  {moment_text(after.read_time)}; cendry-datastore copy {directory} goes on.")
    return FINE
