"""The mode of a database, and whether it can be read at past moments: asked of Google Cloud, which emulators lack."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final, Literal

from cendry._immutable import dataclass
from cendry.errors import CendryError

from .values import Place

Mode = Literal["native", "datastore", ""]

_NATIVE: Final = 1
_DATASTORE: Final = 2
_RECOVERY_ON: Final = 1


class WrongModeError(CendryError):
    """A database is in another mode than a migration needs; nothing was written.

    Attributes:
        place: The database.
        mode: The mode that it is in.
    """

    def __init__(self, place: str, side: str, mode: str, needed: str) -> None:
        self.place = place
        self.mode = mode
        super().__init__(f"{place} is in {mode} mode; the {side} must be in {needed} mode. Nothing was written.")


@dataclass(frozen=True, slots=True)
class DatabaseFacts:
    """What Google Cloud knows about a database.

    Attributes:
        mode: `native` or `datastore`; empty if that is not known.
        has_recovery: Whether point-in-time recovery is on; then moments of the last 7 days can be read.
    """

    mode: Mode
    has_recovery: bool


def facts_of(place: Place, client: Any = None) -> DatabaseFacts:
    """Ask Google Cloud about a database.

    Args:
        place: The database.
        client: A `FirestoreAdminClient`; by default one with the default credentials.

    Raises:
        GoogleAPICallError: The database can't be asked for, which needs `datastore.databases.getMetadata`.
    """
    admin = client or import_module("google.cloud.firestore_admin_v1").FirestoreAdminClient()
    found = admin.get_database(name=place.name)
    modes: dict[int, Mode] = {_NATIVE: "native", _DATASTORE: "datastore"}
    has_recovery = int(found.point_in_time_recovery_enablement) == _RECOVERY_ON
    return DatabaseFacts(modes.get(int(found.type_), ""), has_recovery)


def check_modes(source: Place, target: Place, source_facts: DatabaseFacts, target_facts: DatabaseFacts) -> None:
    """Refuse databases of the wrong mode.

    Raises:
        WrongModeError: The source is in Native mode, or the target in Datastore mode.
    """
    if target_facts.mode == "datastore":
        raise WrongModeError(str(target), "target", "Datastore", "Native")
    if source_facts.mode == "native":
        raise WrongModeError(str(source), "source", "Native", "Datastore")
