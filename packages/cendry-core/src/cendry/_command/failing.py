"""Exit codes, and what the commands print when something fails."""

from __future__ import annotations

import errno
import os
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import Final, NoReturn

from .._interop.emulator import credentials_message
from ..errors import CendryError, InvalidDocumentIdError, JobError

FINE: Final = 0
PROBLEMS: Final = 1
WRONG_USE: Final = 2
STOPPED: Final = 3
FAILED: Final = 4
UNREAD: Final = 141
"""As shells report a program that SIGPIPE has ended."""


class WrongUseError(JobError):
    """The command was given what it can't use; nothing was done."""


RESUMABLE: Final = "resumable: run the same command"

# Errors that may be gone when the command is run again.
_PASSING: Final = (
    "Forbidden",
    "GatewayTimeout",
    "GoogleAuthError",
    "InternalServerError",
    "RetryError",
    "ServiceUnavailable",
    "TooManyRequests",
    "Unauthorized",
)
_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES)


def guard(work: Callable[[], int], *, places: Callable[[], str] = str, debug: bool = False) -> NoReturn:
    """Do the work of a command, and exit with its code, or with that of its error.

    Args:
        work: Returns the exit code.
        places: Returns which databases the command works on, if that is known yet.
        debug: Whether tracebacks are printed.
    """
    # As an interrupt: the step ends its page and saves where it is.
    before = signal.signal(signal.SIGTERM, lambda _number, _frame: _interrupt())
    try:
        code = work()
        # What can't be printed is found here, and not after the exit code is known.
        sys.stdout.flush()
    except BrokenPipeError:
        # Whatever reads the output, such as `head`, has seen enough; what is left must not fail at the end of Python.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = UNREAD
    except (Exception, KeyboardInterrupt) as error:
        code, lines = outcome_of(error, places())
        # If errors can't be printed either, the exit code is what remains.
        with suppress(OSError):
            if debug:
                traceback.print_exc()
            for line in lines:
                sys.stderr.write(f"{line}\n")
    finally:
        signal.signal(signal.SIGTERM, before)
    raise SystemExit(code)


def _interrupt() -> NoReturn:
    raise KeyboardInterrupt


def outcome_of(error: BaseException, places: str) -> tuple[int, list[str]]:
    """The exit code for an error, and the lines to print.

    Args:
        error: What was raised.
        places: Which databases the command works on.
    """
    if isinstance(error, KeyboardInterrupt):
        return STOPPED, ["stopped", RESUMABLE]
    text = str(error) or type(error).__name__
    if isinstance(error, JobError):
        return (STOPPED if error.resumable else WRONG_USE), [text]
    if isinstance(error, InvalidDocumentIdError):
        return WRONG_USE, [text]
    if _is_of_google(error, ("DefaultCredentialsError",)):
        # Only cendry-firestore has it bare; the steps of a migration name the database that lacks them.
        return WRONG_USE, [credentials_message(error, "FIRESTORE_EMULATOR_HOST")]
    if _is_of_google(error, _PASSING):
        return STOPPED, [f"{type(error).__name__}: {text}", *([places] if places else []), RESUMABLE]
    if isinstance(error, OSError) and error.errno in _FULL:
        return STOPPED, [f"{error.filename or 'A file'}: {os.strerror(error.errno)}", RESUMABLE]
    if isinstance(error, OSError) and error.errno is None and "roject" in text:
        # Of the SDK, where neither an option nor the environment names one.
        return WRONG_USE, [f"{text} Pass --project, or set GOOGLE_CLOUD_PROJECT."]
    if "The database " in text and type(error).__name__ == "NotFound":
        return WRONG_USE, [text, f"{places}: check --project and --database." if places else "Check --project."]
    if isinstance(error, CendryError):
        return FAILED, [text]
    return FAILED, [f"{type(error).__name__}: {text}", "--debug shows where it was raised"]


def _is_of_google(error: BaseException, names: tuple[str, ...]) -> bool:
    """Whether an error is one of Google's packages with one of these names."""
    # By their names: none of those packages is imported here.
    return any(
        each.__name__ in names and each.__module__.startswith(("google.api_core.", "google.auth."))
        for each in type(error).__mro__
    )
