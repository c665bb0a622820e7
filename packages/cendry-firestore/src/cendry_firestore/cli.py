"""The command `cendry-firestore`; without the extra `cli`, it says what is missing."""

from __future__ import annotations

import sys
from typing import Final

from cendry._command.starting import open_closed_streams

_EXTRA: Final = ("rich", "typer")


def main() -> None:
    """Run the command line's command, and exit with its code."""
    open_closed_streams()
    try:
        from ._cli.commands import run
    except ModuleNotFoundError as error:
        if error.name not in _EXTRA:
            raise
        sys.stderr.write(
            f"cendry-firestore needs {error.name}, which is not installed: the extra cli brings it; run "
            '`pip install "cendry-firestore[cli]"`.\n'
        )
        sys.exit(2)
    run()


if __name__ == "__main__":
    main()
