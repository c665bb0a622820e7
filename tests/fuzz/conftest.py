"""How long the targets run: one round by default, and with the profile `deep` an hour together."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from pathlib import Path
from zlib import crc32

import pytest
from fuzz.fuzzing import BUDGET

SECONDS_VARIABLE = "CENDRY_FUZZ_SECONDS"
DEEP_SECONDS = 3600.0
_FOLDER = Path(__file__).parent
_LAST_ROUND_SECONDS = 600.0


def pytest_collection_modifyitems(config: pytest.Config, items: Sequence[pytest.Item]) -> None:
    targets = [item for item in items if item.path.parent == _FOLDER and item.get_closest_marker("xfail") is None]
    given = os.environ.get(SECONDS_VARIABLE)
    total = float(given) if given else DEEP_SECONDS if config.option.hypothesis_profile == "deep" else 0.0
    if not targets or not total:
        return
    BUDGET.seconds = total / len(targets)
    given_seed = config.option.hypothesis_seed
    BUDGET.seed = random.SystemRandom().randrange(2**32) if given_seed is None else crc32(str(given_seed).encode())
    for item in targets:
        item.add_marker(pytest.mark.timeout(BUDGET.seconds + _LAST_ROUND_SECONDS))
