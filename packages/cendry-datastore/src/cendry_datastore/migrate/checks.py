"""Whether both sides of a migration are what they must be, before anything is read or written."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack, contextmanager

from .admin import DATASTORE_MODE, NATIVE, DatabaseFacts
from .errors import MixedEmulatorsError, OtherPlaceError, UnknownModeError, WrongModeError
from .source import Source
from .target import Target
from .values import Place, Plan


@contextmanager
def opened(
    plan: Plan, source: Source | None = None, target: Target | None = None
) -> Generator[tuple[Source, Target], None, None]:
    """The databases of a plan, for a `with` block; those that are not given are closed at its end.

    Args:
        plan: The plan.
        source: The source; `None` for one with the default credentials.
        target: The target; `None` for one with the default credentials.

    Raises:
        OtherPlaceError: One that is given is not that of the plan.
    """
    home, there = plan.source, plan.target
    with ExitStack() as own:
        if source is None:
            source = Source(project=home.project, database=home.database, namespace=home.namespace or None)
            own.enter_context(source)
        if target is None:
            target = own.enter_context(Target(project=there.project, database=there.database))
        check_places(plan, source, target)
        yield source, target


def check_sides(source: Source, target: Target, *, allow_mixed: bool = False, assume_modes: bool = False) -> None:
    """Check that both sides are emulators or neither, and that their modes are right.

    Args:
        source: The source.
        target: The target.
        allow_mixed: Whether one of them may be an emulator.
        assume_modes: Whether their modes are right if Google Cloud doesn't say. It never says for emulators.

    Raises:
        MixedEmulatorsError: One of them is an emulator.
        WrongModeError: One of them is in the other's mode.
        UnknownModeError: Google Cloud doesn't say.
    """
    if (source.emulator is None) != (target.emulator is None) and not allow_mixed:
        raise MixedEmulatorsError(source.emulator, target.emulator)
    if source.emulator is None:
        _check_mode(source.place, source.facts(), "source", DATASTORE_MODE, assume_modes)
    if target.emulator is None:
        _check_mode(target.place, target.facts(), "target", NATIVE, assume_modes)


def _check_mode(place: Place, facts: DatabaseFacts, role: str, expected: str, assume_modes: bool) -> None:
    if facts.mode is None:
        if not assume_modes:
            raise UnknownModeError(place, role, expected, facts.reason)
    elif facts.mode != expected:
        raise WrongModeError(place, facts.mode, role, expected)


def check_places(plan: Plan, source: Source, target: Target) -> None:
    """Check that both sides are those of a plan.

    Raises:
        OtherPlaceError: One of them is not.
    """
    if source.place != plan.source:
        raise OtherPlaceError("source", source.place, plan.source)
    if target.place != plan.target:
        raise OtherPlaceError("target", target.place, plan.target)
