"""Tells mkdocstrings that `cendry._immutable.dataclass` makes dataclasses, so that the docs show what they take."""

# Only the environment of the docs has griffe.
# mypy: ignore-errors
# pyright: basic, reportMissingImports=false

from __future__ import annotations

from typing import Any

import griffe  # ty: ignore


class QuickDataclasses(griffe.Extension):
    """Follows the one import for which griffe stops a step too early."""

    def on_alias_instance(self, *, alias: griffe.Alias, **kwargs: Any) -> None:
        """Point an import of core's decorator to the standard library's."""
        if alias.target_path == "cendry._immutable.dataclass":
            alias.target_path = "dataclasses.dataclass"
