"""Pages of a list, in both directions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Query


@dataclass
class PageOptions:
    size: int
    after: str | None
    before: str | None


async def page_options(
    size: Annotated[int, Query(ge=1, le=100)] = 20, after: str | None = None, before: str | None = None
) -> PageOptions:
    return PageOptions(size, after, before)


Paging = Annotated[PageOptions, Depends(page_options)]
