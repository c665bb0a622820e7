"""The directory of a migration, as the command line names it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cendry._command.failing import WrongUseError
from cendry.jobs import Store, open_store

from ..migrate.values import PLAN_FILE

if TYPE_CHECKING:
    from ..migrate import Plan


def store_of(directory: str) -> Store:
    """The store of a directory, which need not exist.

    Raises:
        WrongUseError: It can't be a directory.
    """
    if "://" in directory:
        raise WrongUseError(f"{directory} is not a directory of this computer.")
    if os.path.exists(directory) and not os.path.isdir(directory):
        raise WrongUseError(f"{directory} is a file; name the directory of a migration.")
    return open_store(directory)


def open_directory(directory: str) -> Store:
    """The store of a directory that has a plan.

    Raises:
        WrongUseError: It has none.
    """
    store = store_of(directory)
    if not store.list(PLAN_FILE):
        raise WrongUseError(
            f"{directory} has no {PLAN_FILE}. Make a plan first (cendry-datastore plan), or name the directory of one."
        )
    return store


def load_plan(directory: str) -> tuple[Store, Plan]:
    """The store and the plan of a directory.

    Raises:
        WrongUseError: It has none.
        JobFileError: The plan can't be read.
    """
    # Imported here, as it imports the SDKs.
    from ..migrate.files import read_plan

    store = open_directory(directory)
    return store, read_plan(store)
