"""Plans, from the command line."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from cendry._model.model import Model
from cendry.jobs import open_store, write_json

from ..migrate import Source, Target, Transforms
from ..migrate._plan import draft, renew
from ..migrate.checks import opened
from ..migrate.errors import MixedEmulatorsError
from ..migrate.estimates import Prices
from ..migrate.forms import moment_text
from ..migrate.values import PLAN_FILE
from .failing import FINE, WrongUseError
from .loading import load_plan
from .printing import Printer
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
    prices: tuple[float | None, float | None],
    allow_mixed: bool,
    assume_modes: bool,
) -> int:
    """Make a plan in a directory that has none.

    Raises:
        WrongUseError: It has one.
    """
    check_emulators(allow_mixed=allow_mixed)
    store = open_store(directory)
    if store.get(PLAN_FILE) is not None:
        raise WrongUseError(
            f"{directory} has a plan already. A plan is made once: use another directory, or --renew for a new moment."
        )
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
            on_progress=show,
        )
    store.put("firestore.indexes.json", json.dumps(made.indexes(), indent=2).encode())
    write_json(store, PLAN_FILE, made.plan.to_json())
    print_draft(printer, made, directory)
    return FINE


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
