"""The database, chosen by one setting.

| `TASKS_DATABASE` | documents are |
|---|---|
| `memory:` (the default) | in this process, and gone with it |
| `memory:///path/to/tasks.db` | in a file |
| `firestore://demo-tasks`, and `FIRESTORE_EMULATOR_HOST` | in the emulator |
| `firestore://PROJECT` or `firestore://PROJECT/DATABASE` | in Firestore |
"""

from __future__ import annotations

import os
from typing import Annotated

from cendry import AsyncCendry
from fastapi import Depends

URL = os.environ.get("TASKS_DATABASE", "memory:")

ctx = AsyncCendry.from_url(URL)


async def context() -> AsyncCendry:
    """Return the context of this process. Tests override this dependency."""
    return ctx


Context = Annotated[AsyncCendry, Depends(context)]
