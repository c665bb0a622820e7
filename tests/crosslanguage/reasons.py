"""The cases that Cendry doesn't agree with, by name, each with its reason; no other case may disagree.

A case that agrees must not be listed, so an entry goes when its reason does.
"""

from __future__ import annotations

from typing import Final

_FIELDS: Final = "A merge is given the values of its fields: there is no list of fields beside the data."
_EXISTENCE: Final = "update() takes no precondition about existence, since the document has to exist."

UNSAYABLE: Final[dict[str, str]] = {
    "query-cursor-no-order": "The values of a cursor have the names of the fields that the query sorts by.",
    "query-select-last-wins": "A projection ends a query, so there is no second one.",
    "set-del-nomerge": _FIELDS,
    "set-merge-present": _FIELDS,
    "update-exists-precond": _EXISTENCE,
    "update-paths-exists-precond": _EXISTENCE,
}
"""No call of Cendry means this."""


DISAGREES: Final[dict[str, str]] = {}
"""Cendry refuses what Google's clients send, sends what they refuse, or sends or shows something else."""
