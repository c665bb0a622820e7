"""What Cendry does not hold yet. A promise that is to hold from now on is set to `True`, and then holds everywhere."""

from __future__ import annotations

from typing import Final

AMBIGUOUS_COMMITS_ARE_TOLD: Final[bool] = True
"""Whether a commit whose answer got lost, that is sent again and refused because the first one did it, tells of an
unknown outcome. As long as it is told as a refusal, such a refusal counts as an unknown outcome in the soak if a fault
fell into the call; afterwards, each one is a failure."""

ASYNC_COUNTS_ARE_SENT_AGAIN: Final[bool] = True
"""Whether a count of the async twin, like one of the sync twin, is sent again when its answer is cut after it began."""
