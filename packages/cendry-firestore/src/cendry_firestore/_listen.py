"""Listening, for both twins: a state that follows the server's changes, and what happens when a stream breaks."""

from __future__ import annotations

import logging
import time
from datetime import datetime
from typing import Any, Final, cast

from cendry._interop import emulator as emulators
from cendry._interop.grpc import explained, pause_after, status_of
from cendry._interop.protobuf import to_datetime
from cendry.backend import ListenResult
from cendry.plan import GetPlan, QueryPlan
from google.api_core import exceptions

from . import _sdk
from ._channel import Connection
from ._documents import FoundDocument, new_found
from ._errors import meaning_of
from ._requests import fill_query, parent_name
from ._values import document_name

_log: Final = logging.getLogger("cendry")
_TARGET: Final = 1
_INTERNAL: Final = 13
# Errors after which the listener reconnects; any other ends it.
_TRANSIENT: Final = (
    exceptions.Aborted,
    exceptions.Cancelled,
    exceptions.Unknown,
    exceptions.DeadlineExceeded,
    exceptions.ResourceExhausted,
    exceptions.InternalServerError,
    exceptions.ServiceUnavailable,
    exceptions.Unauthenticated,
)
# Seconds of failures in a row after which a listener gives up; as long as the SDK retries a query.
PATIENCE = 300.0
SILENCE_SECONDS = 10.0
"""Seconds that a server may be silent which owes something: the beginning of its answer; an emulator, a whole state.

Google's emulator writes the first state of a stream in one thread, and what a commit changes meanwhile in that of the
commit, without a lock. What that garbles is mostly the length of a message, for the end of which gRPC waits for ever.
"""
_MAX_DOUBTS: Final = 3
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 10.0


class LostTrackError(Exception):
    """The documents at hand are not those that the server counts."""


class TargetEndedError(Exception):
    """The server ended the target, or answers another one, and listening again would not help.

    Args:
        error: The error for the user.
    """

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class ListenState:
    """The names of a target's documents: takes responses, and gives what has changed whenever a state is complete.

    Args:
        plan: What is listened to.
        connection: The connection to the database.

    Attributes:
        is_current: Whether the server has sent everything that was there when listening began.
        is_whole: Whether it has also said so, since the request or the last reset.
        owed: How many states the server has begun by a reset, and not said to be complete.
        taken: How many responses it has sent to the request.
    """

    def __init__(self, plan: QueryPlan | GetPlan, database: str, path_start: int) -> None:
        self._plan = plan
        self._database = database
        self._path_start = path_start
        self.is_current = False
        self.owed = 0
        self.taken = 0
        self._forget()

    def _forget(self) -> None:
        # The names at the resume token, to which the server's next changes apply.
        self._names: set[str] = set()
        self._token = b""
        self._is_reset = True
        self._begin()

    def _begin(self) -> None:
        # What has changed since; `None` for what was removed.
        self._changed: dict[str, Any] = {}
        self._count = len(self._names)
        self.is_current = False
        self.is_whole = False

    def request(self) -> Any:
        """The request that begins to listen, or goes on from the last complete state."""
        self._begin()
        self.owed = 0
        self.taken = 0
        request = _sdk.ListenRequest(database=self._database)
        target = request.add_target
        target.target_id = _TARGET
        target.resume_token = self._token
        if isinstance(self._plan, GetPlan):
            target.documents.documents.append(document_name(self._database, self._plan.paths[0]))
        else:
            target.query.parent = parent_name(self._plan, self._database)
            fill_query(target.query.structured_query, self._plan, self._database)
        return _sdk.wrapped(request)

    def take(self, response: Any) -> ListenResult | None:
        """Apply a response; give what has changed if this completes a state that may differ from the last.

        Raises:
            GoogleAPICallError: The server ended the target, with a reason.
            TargetEndedError: It ended the target without a reason, or has added another one.
            LostTrackError: The state is not the server's any more; ask for all of it again.
        """
        self.taken += 1
        match response.WhichOneof("response_type"):
            case "document_change":
                change = response.document_change
                if _TARGET in change.target_ids:
                    self._put(change.document.name, change.document)
                elif _TARGET in change.removed_target_ids:
                    self._put(change.document.name, None)
            case "document_delete":
                self._put(response.document_delete.document, None)
            case "document_remove":
                self._put(response.document_remove.document, None)
            case "filter" if response.filter.count != self._count:
                self._forget()
                raise LostTrackError
            case "target_change":
                return self._take_target_change(response.target_change)
            case _:
                pass
        return None

    def _put(self, name: str, document: Any) -> None:
        was_there = self._changed[name] is not None if name in self._changed else name in self._names
        self._changed[name] = document
        self._count += (document is not None) - was_there

    def _take_target_change(self, change: Any) -> ListenResult | None:
        kind = _sdk.TargetChangeType
        if change.target_change_type == kind.REMOVE:
            if change.HasField("cause"):
                raise _sdk.error_of_status(change.cause.code or _INTERNAL, change.cause.message)
            raise TargetEndedError(_sdk.error_of_status(_INTERNAL, "The server ended the target without a reason."))
        if change.target_change_type == kind.ADD:
            if list(change.target_ids) != [_TARGET]:
                text = f"The server added the targets {list(change.target_ids)}, and not {_TARGET}."
                raise TargetEndedError(_sdk.error_of_status(_INTERNAL, text))
        elif change.target_change_type == kind.RESET:
            self._forget()
            self.owed += 1
        elif change.target_change_type == kind.CURRENT:
            self.is_current = True
        elif not change.target_ids and change.HasField("read_time"):
            self.owed -= 1
            if self.is_current:
                return self._complete(change)
        return None

    def _complete(self, change: Any) -> ListenResult | None:
        self._token = change.resume_token
        self.is_whole = True
        changed, names, self._changed = self._changed, self._names, {}
        if not changed and not self._is_reset:
            return None
        read_time = to_datetime(change.read_time)
        documents: list[FoundDocument] = []
        removed: list[str] = []
        for name, document in changed.items():
            if document is not None:
                names.add(name)
                documents.append(self._found(document, read_time))
            elif name in names:
                names.remove(name)
                removed.append(name[self._path_start :])
        is_reset, self._is_reset = self._is_reset, False
        return ListenResult(tuple(documents), tuple(removed), read_time, is_reset)

    def _found(self, document: Any, read_time: datetime) -> FoundDocument:
        return new_found(FoundDocument, (document, read_time, self._database, self._path_start))


class Attempts:
    """The attempts of a listener to stay connected, in either twin.

    Args:
        connection: The connection to the database.
        plan: What is listened to.

    Attributes:
        state: The state of the target.
    """

    def __init__(self, connection: Connection, plan: QueryPlan | GetPlan) -> None:
        self.state = ListenState(plan, connection.database, connection.path_start)
        self._collection = plan.collection if isinstance(plan, QueryPlan) else None
        self._emulator = connection.emulator
        self._failing_since: float | None = None
        self._failures = 0
        self._doubts = 0
        self._failure: BaseException | None = None

    def is_stuck(self, taken: int) -> bool:
        """Whether the server owes something, but has sent nothing for `SILENCE_SECONDS`.

        Args:
            taken: How many responses it had sent that long ago.
        """
        state = self.state
        if taken != state.taken:
            return False
        if self._emulator is None:
            # A large query may take any time.
            return not state.taken
        if not state.is_whole:
            return True
        # A commit has told all first; the state at the beginning is still owed, unless this emulator resets more often.
        if state.owed <= 0 or self._doubts >= _MAX_DOUBTS:
            return False
        self._doubts += 1
        return True

    def take(self, response: Any) -> ListenResult | None:
        """Apply a response, as `ListenState.take` does."""
        result = self.state.take(response)
        if self.state.is_current:
            self._failing_since = None
            self._failures = 0
            if self.state.owed <= 0:
                self._doubts = 0
        return result

    def failed(self, raised: BaseException | None) -> tuple[float, bool]:
        """Note that a stream broke.

        Args:
            raised: What broke it; `None` if the server ended it in peace, which it may do, too.

        Returns:
            The seconds to wait before the next attempt, and whether to ask first if an emulator is there at all.

        Raises:
            BaseException: The error that ends the listener, in the terms of Cendry where it has some.
        """
        if isinstance(raised, TargetEndedError):
            raise raised.error
        if raised is None:
            failure: BaseException = _sdk.ServiceUnavailable("The server ended the stream.")
        elif isinstance(raised, LostTrackError):
            failure = _sdk.ServiceUnavailable("The documents at hand are not those the server counts.")
        else:
            failure = _sdk.API.call_error(raised) if isinstance(raised, _sdk.RpcError) else raised
        self._failure = failure
        now = time.monotonic()
        # A quiet stream may have been silent for hours before it broke, so silence counts from the first failure.
        self._failing_since = self._failing_since or now
        seconds = now - self._failing_since
        if not isinstance(failure, _TRANSIENT) or seconds > PATIENCE:
            raise explained(cast("Any", failure), meaning_of(cast("Any", failure), collection=self._collection))
        self._failures += 1
        asks = self._emulator is not None and seconds >= emulators.PATIENCE
        pause = pause_after(self._failures, _FIRST_PAUSE, _LONGEST_PAUSE)
        _log.debug("a listener connects again in %.1f s after %s", pause, status_of(failure))
        return pause, asks

    def check_emulator(self) -> None:
        """Check, after a failure, that an emulator is there; may take a second.

        Raises:
            CendryError: Nothing listens where it should be.
        """
        emulator = self._emulator
        if emulator is not None and not emulator.is_reached():
            raise emulator.unreachable() from self._failure
