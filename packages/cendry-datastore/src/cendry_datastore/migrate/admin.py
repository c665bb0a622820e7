"""What Google Cloud says about a database: its mode, and point-in-time recovery. An emulator doesn't know."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

from cendry._immutable import dataclass

from .values import Place

_SECONDS: Final = 30.0

NATIVE: Final = "Native mode"
DATASTORE_MODE: Final = "Datastore mode"
_MODES: Final = {"FIRESTORE_NATIVE": NATIVE, "DATASTORE_MODE": DATASTORE_MODE}
_RECOVERS: Final = {"POINT_IN_TIME_RECOVERY_ENABLED": True, "POINT_IN_TIME_RECOVERY_DISABLED": False}


@dataclass(frozen=True, slots=True)
class DatabaseFacts:
    """What is known of a database.

    Attributes:
        mode: `Native mode` or `Datastore mode`; `None` if it is not known.
        recovers: Whether it has point-in-time recovery; `None` if that is not known.
        reason: Why these are not known: the SDK's error; empty for an emulator.
    """

    mode: str | None = None
    recovers: bool | None = None
    reason: str = ""


def database_facts(place: Place, credentials: Any = None, client: Any = None) -> DatabaseFacts:
    """Ask Google Cloud about a database. Needs the permission `datastore.databases.getMetadata`.

    Args:
        place: The database.
        credentials: The credentials of its client.
        client: A `FirestoreAdminClient`; without it one is made.

    Returns:
        What is known; all unknown, with the reason, if it can't be asked.
    """
    try:
        admin: Any = import_module("google.cloud.firestore_admin_v1")
    except ImportError as error:
        return DatabaseFacts(reason=str(error))
    errors: Any = import_module("google.api_core.exceptions")
    auth: Any = import_module("google.auth.exceptions")
    try:
        asked = admin.FirestoreAdminClient(credentials=credentials) if client is None else client
        found = asked.get_database(name=place.name, timeout=_SECONDS)
    except (errors.GoogleAPICallError, errors.RetryError, auth.GoogleAuthError) as error:
        return DatabaseFacts(reason=str(error))
    return DatabaseFacts(_MODES.get(found.type_.name), _RECOVERS.get(found.point_in_time_recovery_enablement.name))
