"""What the tests ask of answers, and of what is stored."""

from __future__ import annotations

from typing import Any

import httpx
from app.models import Comment, Delivery, Key, Organisation, Project, Task
from cendry import AsyncCendry, Model, get_metadata, to_dict


def problem(answer: httpx.Response, status: int | None = None) -> dict[str, Any]:
    """Check that the answer is an error in the one shape that all have; return it."""
    content: dict[str, Any] = answer.json()
    assert answer.headers["Content-Type"] == "application/problem+json", answer.text
    assert {"type", "title", "status"} <= content.keys()
    assert content["status"] == answer.status_code
    if status is None:
        assert 400 <= answer.status_code < 500, answer.text
    else:
        assert answer.status_code == status, answer.text
    return content


async def stored(ctx: AsyncCendry) -> dict[str, dict[str, Any]]:
    """Return all documents, by path."""
    models: list[type[Model]] = [Organisation, Key, Project, Task, Comment, Delivery]
    documents = [document for model in models for document in await ctx.select_group(model).to_list()]
    return {get_metadata(document).path: to_dict(document) for document in documents}
