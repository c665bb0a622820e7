"""What all parts of the conformance suite share: the fixtures, and the rule of what is skipped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest

from .driver import Database
from .features import ALL_FEATURES, Feature, needs_of


def in_transaction(ctx: Any, function: Callable[[Any], object]) -> Any:
    """What a function of a transaction returns; it says to type checkers what the function takes."""
    return ctx.transaction(function)


class Suite:
    """A part of the conformance suite.

    Attributes:
        features: What the backend has.
    """

    features: ClassVar[frozenset[Feature]] = ALL_FEATURES

    @pytest.fixture(autouse=True)
    def skip_what_is_lacking(self, request: pytest.FixtureRequest) -> None:
        """Skip a test of what the backend doesn't have."""
        lacking = needs_of(request.function) - self.features
        if lacking:
            pytest.skip(f"this backend lacks: {', '.join(sorted(feature.value for feature in lacking))}")

    @pytest.fixture
    def backend(self) -> Any:
        """The backend under test, without any documents; subclasses define it."""
        raise TypeError(
            f"{type(self).__name__} must define a fixture named 'backend' that gives a backend without documents."
        )

    @pytest.fixture
    def db(self, backend: Any) -> Iterator[Database]:
        """The backend, called the same way whichever twin it is for; closed after the test."""
        database = Database(backend)
        yield database
        database.close()

    @pytest.fixture
    def ctx(self, db: Database) -> Any:
        """A context on the backend, of its twin, called as the sync one is."""
        return db.context()
