"""What comes in and goes out over HTTP: the models, without the fields that clients don't set or see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from cendry import Field, Map, Without

from .models import Comment, Delivery, Hours, Organisation, Project, Task

NewOrganisation = Annotated[Organisation, Without("id", "created", name="NewOrganisation")]
NewProject = Annotated[Project, Without("id", "hours", name="NewProject")]
NewTask = Annotated[Task, Without("id", "comments", "created", "updated", name="NewTask")]
ImportedTask = Annotated[Task, Without("comments", "created", "updated", name="ImportedTask")]
NewComment = Annotated[Comment, Without("id", "reminder", "organisation", "created", name="NewComment")]
ShownComment = Annotated[Comment, Without("organisation", name="ShownComment")]
Event = Annotated[Delivery, Without("id", "received", name="Event")]


class Transfer(Map):
    """Hours that move from one project to another."""

    source: Field[str]
    target: Field[str]
    hours: Field[Hours]

    def __validate__(self) -> None:
        if self.source == self.target:
            raise ValueError("source and target are the same project")


@dataclass
class Welcome:
    organisation: Organisation
    project: Project
    key: str


@dataclass
class Row:
    """The result of one row of an import."""

    id: str | None = None
    error: str | None = None
