"""What comes in and goes out, once more for each model and each direction."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

from app.models import Comment, Delivery, Organisation, Project, Status, Step, Task
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

Name = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Text = Annotated[str, StringConstraints(max_length=5_000)]
Label = Annotated[str, StringConstraints(min_length=1, max_length=30)]
Priority = Annotated[int, Field(strict=True, ge=1, le=5, description="1 is the most urgent.")]
Labels = Annotated[set[Label], Field(max_length=20, examples=[["bug", "docs"]])]
Due = Annotated[date | None, Field(description="The last day to finish it.")]
Flag = Annotated[bool, Field(strict=True)]
Hours = Annotated[int, Field(strict=True, ge=1, le=1_000)]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Answer(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class OrganisationIn(Body):
    name: Name

    def to_model(self) -> Organisation:
        return Organisation(name=self.name)


class OrganisationOut(Answer):
    id: str
    name: str
    created: datetime | None


class ProjectIn(Body):
    name: Name

    def to_model(self) -> Project:
        return Project(name=self.name)


class ProjectOut(Answer):
    id: str
    name: str
    hours: int


class ProjectPage(Answer):
    items: list[ProjectOut]
    next_token: str | None
    previous_token: str | None


class StepIn(Body):
    title: Name
    done: Flag = False

    def to_model(self) -> Step:
        return Step(title=self.title, done=self.done)


class StepOut(Answer):
    title: str
    done: bool


class TaskIn(Body):
    title: Name
    notes: Text = ""
    status: Status = Status.OPEN
    priority: Priority = 3
    labels: Labels = Field(default_factory=set)
    assignee: Name | None = None
    due: Due = None
    steps: list[StepIn] = Field(default_factory=list[StepIn], max_length=100)

    def to_model(self) -> Task:
        return Task(
            title=self.title,
            notes=self.notes,
            status=self.status,
            priority=self.priority,
            labels=self.labels,
            assignee=self.assignee,
            due=self.due,
            steps=[step.to_model() for step in self.steps],
        )


class TaskRow(TaskIn):
    id: str | None = None

    def to_model(self) -> Task:
        task = super().to_model()
        task.id = self.id
        return task


class TaskPatch(Body):
    title: Name | None = None
    notes: Text | None = None
    status: Status | None = None
    priority: Priority | None = None
    labels: Labels | None = None
    assignee: Name | None = None
    due: Due = None
    steps: list[StepIn] | None = Field(default=None, max_length=100)

    @model_validator(mode="after")
    def _check(self) -> TaskPatch:
        if not self.model_fields_set:
            raise ValueError("nothing to change")
        for name in self.model_fields_set - {"assignee", "due"}:
            if getattr(self, name) is None:
                raise ValueError(f"{name} can't be null")
        return self

    def changes(self) -> dict[str, Any]:
        changes: dict[str, Any] = {name: getattr(self, name) for name in self.model_fields_set}
        if self.steps is not None:
            changes["steps"] = [step.to_model() for step in self.steps]
        return changes


class TaskOut(Answer):
    id: str
    title: str
    notes: str
    status: Status
    priority: Priority
    labels: Labels
    assignee: str | None
    due: Due
    steps: list[StepOut]
    comments: int = Field(description="How many there are.")
    created: datetime | None
    updated: datetime | None


class TaskPage(Answer):
    items: list[TaskOut]
    next_token: str | None
    previous_token: str | None


class CommentIn(Body):
    author: Name
    text: Text

    def to_model(self) -> Comment:
        return Comment(author=self.author, text=self.text)


class CommentOut(Answer):
    id: str
    author: str
    text: str
    reminder: bool = Field(description="Whether the worker wrote it.")
    created: datetime | None


class CommentPage(Answer):
    items: list[CommentOut]
    next_token: str | None
    previous_token: str | None


class DeliveryIn(Body):
    project: str
    hours: Hours

    def to_model(self, id: str) -> Delivery:
        return Delivery(id=id, project=self.project, hours=self.hours)


class Transfer(Body):
    source: str
    target: str
    hours: Hours

    @model_validator(mode="after")
    def _check(self) -> Transfer:
        if self.source == self.target:
            raise ValueError("source and target are the same project")
        return self


class Welcome(BaseModel):
    organisation: OrganisationOut
    project: ProjectOut
    key: str


class Row(BaseModel):
    id: str | None = None
    error: str | None = None
