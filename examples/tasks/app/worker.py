"""Comments on tasks that are due: `python -m app.worker`, once a day.

It shares the models and the database with the web application, and needs none of its packages.
"""

from __future__ import annotations

import os
from datetime import date, datetime, timezone

from cendry import Cendry, DocumentAlreadyExistsError, Increment, Ref, ref_of

from .models import Comment, Organisation, Status, Task


def remind(ctx: Cendry, today: date) -> int:
    """Comment on each unfinished task that was due before today; return how many. May be repeated."""
    unfinished = Task.status.is_in([Status.OPEN, Status.DOING])
    reminded = 0
    for task in ctx.select_group(Task, unfinished, Task.due < today):
        comment = Comment(id=f"due-{task.due}", author="Reminder", text=f"This was due on {task.due}.", reminder=True)
        comment.organisation = Ref(Organisation, ref_of(task).path.split("/")[1])
        try:
            with ctx.batch() as batch:
                batch.create(comment, parent=task)  # fails if it is there already
                batch.update(task, Task.comments.set(Increment(1)))
        except DocumentAlreadyExistsError:
            continue
        reminded += 1
    return reminded


def main() -> None:
    with Cendry.from_url(os.environ["TASKS_DATABASE"]) as ctx:
        print(remind(ctx, datetime.now(timezone.utc).date()), "reminders")


if __name__ == "__main__":
    main()
