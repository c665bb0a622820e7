"""Why a step of a migration can't begin or go on. Each message is built here."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from cendry._interop.emulator import credentials_message
from cendry._interop.grpc import status_of, text_of
from cendry.errors import JobError

from .forms import moment_text
from .values import Place


class DatabaseCallError(JobError):
    """A call to one of the databases failed. What was done before is saved, and the same command goes on from there.

    The SDK's error is the `__cause__`.

    Attributes:
        place: The database.
        status: The name of the gRPC status, such as `PERMISSION_DENIED`; empty if there is none.
    """

    resumable = True

    def __init__(self, place: Place, error: Any) -> None:
        self.place = place
        self.status = status_of(error)
        what = f"{self.status}: {text_of(error)}" if self.status else str(error)
        super().__init__(f"{place}: {what} (resumable: run the same command)")


class MissingCredentialsError(DatabaseCallError):
    """There are no credentials for a database, or they can't be read; nothing was read or written."""

    resumable = False

    def __init__(self, place: Place, error: Exception, variable: str) -> None:
        super().__init__(place, error)
        self.args = (f"{place}: {credentials_message(error, variable)}",)


class MomentExpiredError(JobError):
    """The moment at which the source is read is too long ago; `plan --renew` sets a new one, and the copy goes on.

    Attributes:
        read_time: The moment.
    """

    resumable = True

    def __init__(self, read_time: datetime, now: datetime, reason: str) -> None:
        self.read_time = read_time
        age = (now - read_time) // timedelta(minutes=1)
        super().__init__(
            f"The pinned time {moment_text(read_time)} is {age} min old, and {reason}: "
            "cendry-datastore plan --renew sets a new one, then copy goes on."
        )


class WrongModeError(JobError):
    """A database is in Datastore mode and must be in Native mode, or the other way round; nothing was written.

    Attributes:
        place: The database.
    """

    def __init__(self, place: Place, found: str, role: str, expected: str) -> None:
        self.place = place
        super().__init__(f"{place} is in {found}; the {role} must be in {expected}. Nothing was written.")


class UnknownModeError(JobError):
    """Google Cloud doesn't say in which mode a database is; nothing was written.

    Attributes:
        place: The database.
    """

    resumable = True

    def __init__(self, place: Place, role: str, expected: str, reason: str) -> None:
        self.place = place
        super().__init__(
            f"The mode of {place} is not known; the {role} must be in {expected}. Grant the permission "
            "datastore.databases.getMetadata, or pass --assume-modes (assume_modes=True) if you know it. "
            f"Google Cloud answered: {reason}"
        )


class MixedEmulatorsError(JobError):
    """One side is an emulator and the other one is not; nothing was read or written.

    Attributes:
        source: The address of the source's emulator, or `None`.
        target: The address of the target's emulator, or `None`.
    """

    def __init__(self, source: str | None, target: str | None) -> None:
        self.source = source
        self.target = target
        one, other = ("source", "target") if source else ("target", "source")
        variable = "FIRESTORE_EMULATOR_HOST" if source else "DATASTORE_EMULATOR_HOST"
        super().__init__(
            f"The {one} is an emulator ({source or target}), and the {other} is a database of Google Cloud. Set "
            f"{variable} as well, or unset the other variable; if you mean it, pass --allow-mixed (allow_mixed=True)."
        )


class TargetNotEmptyError(JobError):
    """The target has documents in a collection that is to be filled; nothing was written.

    Attributes:
        place: The target.
        collections: The collections that have documents.
    """

    def __init__(self, place: Place, collections: tuple[str, ...]) -> None:
        self.place = place
        self.collections = collections
        super().__init__(
            f"{place} has documents in {', '.join(collections)}, and the state is not that of a copy into them. "
            "Documents of the same names would be overwritten: empty them, or pass --into-existing "
            "(into_existing=True)."
        )


class OtherPlaceError(JobError):
    """A client belongs to another database than the plan; nothing was read or written.

    Attributes:
        given: The database of the client.
        planned: The database of the plan.
    """

    def __init__(self, role: str, given: Place, planned: Place) -> None:
        self.given = given
        self.planned = planned
        super().__init__(f"The {role} of the plan is {planned}, and the one that was passed is {given}.")
