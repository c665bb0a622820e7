"""What a command line does before its command begins: the streams of the process, and the version."""

from __future__ import annotations

import os
import sys
from typing import Final

from .._lazy import installed_version

_CORE: Final = "cendry-core"


def open_closed_streams() -> None:
    """Replace standard streams that the process was started without, as by `>&-`, with streams that lead nowhere.

    To be called before anything opens a file: it would get the number of the closed stream, and what a library prints
    there would end in it.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stream = open(os.devnull, mode, encoding="utf-8")  # noqa: SIM115 - it stays open as long as the process
            setattr(sys, name, stream)


def version_line(distribution: str) -> str:
    """`cendry-firestore 0.6.0 (cendry-core 0.6.0)`.

    Args:
        distribution: The distribution of the command.
    """
    return f"{distribution} {_version(distribution)} ({_CORE} {_version(_CORE)})"


def _version(distribution: str) -> str:
    return installed_version(distribution) or "(not installed)"
