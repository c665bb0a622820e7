# Generated from aio/past.py by tools/twins.py; do not edit.
"""The sender of a context at a past moment: it reads at that moment, and refuses everything else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from ..._immutable import replace
from ..._query.results import Read
from ...plan import GetPlan
from ..holder import SharedHolder
from ..settings import Settings
from ..writes import Pending, discard
from .sender import Sender

T = TypeVar("T")


class PastSender(Sender):
    """Sends reads at a past moment. Queries get the moment when they are bound, so that page tokens depend on it.

    Args:
        holder: The holder of the backend, which another context owns.
        settings: The settings of that context.
        moment: The moment.

    Raises:
        InvalidRequestError: The backend knows that it can't read at that moment.
    """

    __slots__ = ("moment",)

    def __init__(self, holder: SharedHolder[Any], settings: Settings, moment: datetime) -> None:
        super().__init__(holder, settings)
        self.moment = moment
        check = getattr(holder.backend(), "check_read_time", None)
        if check is not None:
            check(moment)

    def get(self, plan: GetPlan, read: Read[T], operation: str) -> T:
        """A document by path, as it was."""
        return super().get(self._at_moment(plan), read, operation)

    def get_each(self, plan: GetPlan, read: Read[bool], complete: Callable[[], T], operation: str) -> T:
        """Documents by path, in any order, as they were, each read as it arrives."""
        return super().get_each(self._at_moment(plan), read, complete, operation)

    def _at_moment(self, plan: GetPlan) -> GetPlan:
        return plan if plan.read_time is not None else replace(plan, read_time=self.moment)

    def commit(self, pending: list[Pending], transaction: Any = None) -> None:  # noqa: ARG002
        """Refuse to write.

        Raises:
            CendryError: Always; ids that were generated are taken back.
        """
        discard(pending)
        self.check_present("writes")
