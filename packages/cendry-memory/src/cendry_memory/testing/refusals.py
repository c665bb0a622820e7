"""What a backend doesn't have, it refuses with one error, before anything is done."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any, Final

import pytest
from cendry.errors import UnsupportedByBackendError
from cendry.paths import DOCUMENT_ID, FieldPath
from cendry.plan import (
    Aggregation,
    AggregationPlan,
    Bound,
    Composite,
    Condition,
    Delete,
    FieldTransform,
    GetPlan,
    Nearest,
    Order,
    QueryPlan,
    Set,
    Update,
    Where,
)
from cendry.values import Increment, Vector

from .documents import City
from .driver import Database
from .features import Feature
from .suite import Suite
from .values import ref

N = FieldPath("n")
_MOMENT = datetime(2024, 1, 1, tzinfo=timezone.utc)
_BY_N = QueryPlan("kept", orders=(Order(N),))


def _query(where: Where | None = None, **options: Any) -> Callable[[Database], object]:
    return lambda db: db.run(QueryPlan("kept", where=where, **options))


def _commit(*writes: Set | Update | Delete) -> Callable[[Database], object]:
    return lambda db: db.commit(Set("kept/other", {}), *writes)


_REQUESTS: Final[dict[Feature, tuple[Callable[[Database], object], ...]]] = {
    Feature.QUERIES: (_query(),),
    Feature.OR: (_query(Composite("OR", (Condition(N, "==", 1), Condition(N, "==", 2)))),),
    Feature.IN: (_query(Condition(N, "in", [1, 2])),),
    Feature.NOT_EQUAL: (_query(Condition(N, "!=", 2)), _query(Condition(N, "not-in", [2]))),
    Feature.ARRAY_FILTERS: (
        _query(Condition(N, "array-contains", 1)),
        _query(Condition(N, "array-contains-any", [1])),
    ),
    Feature.NULL_FILTERS: (_query(Condition(N, "is-null")), _query(Condition(N, "is-not-nan"))),
    Feature.ID_FILTERS: (_query(Condition(DOCUMENT_ID, ">", ref("kept/a"))),),
    Feature.SEVERAL_INEQUALITIES: (
        _query(Composite("AND", (Condition(N, ">", 1), Condition(FieldPath("m"), ">", 2)))),
    ),
    Feature.WHOLE_VALUES: (_query(Condition(N, "==", {"m": 1})), _query(Condition(N, "==", [1]))),
    Feature.NAMES_WITH_DOTS: (_query(Condition(FieldPath("m", "x.y"), "==", 1)),),
    Feature.GROUPS: (_query(group=True),),
    Feature.CURSORS: (_query(orders=_BY_N.orders, start=Bound((1,), before=True)),),
    Feature.OFFSETS: (_query(offset=1),),
    Feature.PROJECTIONS: (_query(projection=(N,)), lambda db: db.get_plan(GetPlan(("kept/one",), projection=(N,)))),
    Feature.COUNTS: (lambda db: db.aggregate(AggregationPlan(_BY_N)),),
    Feature.SUMS: (lambda db: db.aggregate(AggregationPlan(_BY_N, (Aggregation("sum", N),))),),
    Feature.READ_TIMES: (lambda db: db.get_plan(GetPlan(("kept/one",), read_time=_MOMENT)),),
    Feature.MASKS: (_commit(Set("kept/one", {"n": 2}, mask=(N,))),),
    Feature.MERGES: (_commit(Set("kept/one", {"n": 2}, mask=(N,), is_merge=True)),),
    Feature.TRANSFORMS: (_commit(Update("kept/one", {}, (), transforms=(FieldTransform(N, Increment(1)),))),),
    Feature.PRECONDITIONS: (
        _commit(Set("kept/one", {}, update_time=_MOMENT)),
        _commit(Update("kept/one", {}, (), update_time=_MOMENT)),
        _commit(Delete("kept/one", update_time=_MOMENT)),
    ),
    Feature.TRANSACTIONS: (lambda db: db.begin(),),
    Feature.READ_ONLY: (lambda db: db.begin(read_only=True),),
    Feature.BULK: (
        lambda db: db.context().bulk(),
        lambda db: db.context().save_many([City(id="other", name="x")], atomic=False),
        lambda db: db.context().delete_many(City, ["other"], atomic=False),
        lambda db: db.context().select(City).update({City.name: "x"}),
        lambda db: db.context().select(City).delete(),
        lambda db: db.context().delete_recursive(City, "other"),
    ),
    Feature.LISTENERS: (lambda db: db.listen(GetPlan(("kept/one",))),),
    Feature.NEAREST: (_query(nearest=Nearest(N, Vector([1.0]), 1, "cosine")),),
    Feature.VECTORS: (_commit(Set("kept/one", {"v": Vector([1.0])})),),
}
"""For each feature that can be refused, requests that need it."""


class RefusalConformance(Suite):
    """What a backend doesn't have."""

    def test_what_the_backend_lacks_is_refused_and_nothing_is_done(self, db: Database) -> None:
        db.commit(Set("kept/one", {"n": 1}))
        for feature in _REQUESTS.keys() - self.features:
            for request in _REQUESTS[feature]:
                with pytest.raises(UnsupportedByBackendError) as caught:
                    request(db)
                assert (db.name, True) == (caught.value.backend, bool(caught.value.feature)), feature
        assert [{"n": 1}, None] == [db.data("kept/one"), db.data("kept/other")]

    def test_every_feature_is_one_that_the_suite_knows(self) -> None:
        assert set(Feature) >= self.features

    def test_close_may_come_twice(self, db: Database) -> None:
        db.commit(Set("kept/one", {"n": 1}))
        db.shut()
