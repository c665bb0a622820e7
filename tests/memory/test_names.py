from __future__ import annotations

import cendry
import cendry_memory
import pytest


@pytest.mark.parametrize("name", cendry_memory.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert name == getattr(cendry_memory, name).__name__
    assert name in dir(cendry_memory)


def test_other_names_are_refused() -> None:
    with pytest.raises(AttributeError, match="module 'cendry_memory' has no attribute 'MemoryBakend'"):
        cendry_memory.MemoryBakend  # type: ignore[attr-defined]  # noqa: B018


def test_cendry_has_the_backends_too() -> None:
    assert (cendry_memory.MemoryBackend, cendry_memory.AsyncMemoryBackend) == (
        cendry.MemoryBackend,
        cendry.AsyncMemoryBackend,
    )
