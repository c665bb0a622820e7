"""The documents. This module needs `cendry-core` and `annotated-types` alone, so any program can share it."""

from __future__ import annotations

from datetime import date, datetime
from enum import Enum
from typing import Annotated, Any

from annotated_types import Interval, Len
from cendry import Field, Map, Model, Ref, field, upgrade

Name = Annotated[str, Len(1, 100)]
Text = Annotated[str, Len(0, 5_000)]
Labels = Annotated[set[Annotated[str, Len(1, 30)]], Len(0, 20)]
Priority = Annotated[int, Interval(ge=1, le=5)]
Hours = Annotated[int, Interval(ge=1, le=1_000)]


class Organisation(Model, collection="organisations"):
    """A tenant. All its documents are below this one."""

    name: Field[Name]
    created: Field[datetime | None] = field(auto_now_add=True)


class Key(Model, collection="keys"):
    """Lets its holder act for an organisation. The id is the SHA-256 of the secret, which is not stored."""

    organisation: Field[Ref[Organisation]]


class Project(Model, collection="projects", parent=Organisation):
    """A project, with the hours that may still be spent on it."""

    name: Field[Name]
    hours: Field[int] = field(default=0)


class Status(str, Enum):
    OPEN = "open"
    DOING = "doing"
    DONE = "done"


class Step(Map):
    title: Field[Name]
    done: Field[bool] = field(default=False)


class Task(Model, collection="tasks", parent=Project):
    title: Field[Name]
    notes: Field[Text] = field(default="")
    status: Field[Status] = field(default=Status.OPEN)
    priority: Field[Priority] = field(default=3, metadata={"description": "1 is the most urgent."})
    labels: Field[Labels] = field(default_factory=set, metadata={"examples": [["bug", "docs"]]})
    assignee: Field[Name | None] = field(default=None)
    due: Field[date | None] = field(default=None, metadata={"description": "The last day to finish it."})
    steps: Field[Annotated[list[Step], Len(0, 100)]] = field(default_factory=list)
    comments: Field[int] = field(default=0, metadata={"description": "How many there are."})
    created: Field[datetime | None] = field(auto_now_add=True)
    updated: Field[datetime | None] = field(auto_now=True)


class Comment(Model, collection="comments", parent=Task, version=2, extra="keep"):
    author: Field[Name]
    text: Field[Text]
    reminder: Field[bool] = field(default=False, metadata={"description": "Whether the worker wrote it."})
    organisation: Field[Ref[Organisation] | None] = field(default=None)
    created: Field[datetime | None] = field(auto_now_add=True)


@upgrade(Comment, to=2)
def mark_reminders(data: dict[str, Any]) -> dict[str, Any]:
    """The first version told reminders from other comments by their author."""
    return {**data, "reminder": data["author"] == "Reminder"}


class Delivery(Model, collection="deliveries", parent=Organisation):
    """A webhook's event that was processed; its id is the sender's."""

    project: Field[str]
    hours: Field[Hours]
    received: Field[datetime | None] = field(auto_now_add=True)
