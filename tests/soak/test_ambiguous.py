"""A commit whose answer gets lost: it happened, nobody was told, and it may be sent again.

Whatever is raised then, it must not say that nothing was written.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
from cendry import AsyncCendry, Cendry, Increment
from cendry_memory.emulator import known
from google.api_core import exceptions
from google.api_core.retry import Retry
from google.api_core.retry_async import AsyncRetry
from soak.ledger import Hits
from soak.proxy import Proxy
from soak.work import AMBIGUOUS_COMMITS_ARE_TOLD, never

from cendry import Field, Model, field


class Doc(Model, collection="docs"):
    number: Field[int] = field(default=0)
