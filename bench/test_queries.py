"""Building a query, and planning it, next to the SDK's own building of the same query. Nothing is sent."""

from __future__ import annotations

from typing import Any

import pytest
from cendry import Asc, Cendry, Query, default_registry
from cendry._query.builders import spec_of
from cendry._query.compile import compiled
from cendry_firestore._requests import query_request
from codec_model import City, Mayor
from figures import Figures, best
from google.auth.credentials import AnonymousCredentials
from google.cloud.firestore import Client, FieldFilter
from timing import medians

BUDGET_US = 20
CALLS = 400
IN_A_ROUND = 2000
DATABASE = "projects/bench/databases/(default)"


@pytest.fixture(scope="module")
def client() -> Any:
    return Client(project="bench", credentials=AnonymousCredentials())


@pytest.fixture(scope="module")
def ctx(client: Any) -> Cendry:
    return Cendry(client=client)


def chained(ctx: Cendry) -> Query[City]:
    return ctx.select(
        City, City.name == "San Francisco", City.population > 100_000, City.mayor[Mayor.name] == "Ada"
    ).order_by(City.population.desc())


def by_arguments(ctx: Cendry) -> Query[City]:
    return ctx.select(
        City,
        City.name == "San Francisco",
        City.population > 100_000,
        City.mayor[Mayor.name] == "Ada",
        order_by=City.population.desc(),
    )


def of_the_sdk(client: Any) -> Any:
    return (
        client.collection("cities")
        .where(filter=FieldFilter("displayName", "==", "San Francisco"))
        .where(filter=FieldFilter("population", ">", 100_000))
        .where(filter=FieldFilter("mayor.name", "==", "Ada"))
        .order_by("population", direction="DESCENDING")
    )


def plan(query: Query[City]) -> Any:
    return compiled(spec_of(query), default_registry).plan


def test_both_ask_for_the_same(ctx: Cendry, client: Any) -> None:
    assert chained(ctx) == by_arguments(ctx)
    message = query_request(plan(chained(ctx)), DATABASE, None).structured_query
    other = of_the_sdk(client)._to_protobuf()._pb
    assert other.where == message.where
    assert other.order_by == message.order_by
    assert chained(ctx) != ctx.select(City, order_by=Asc(City.population))


def test_building_takes_microseconds(ctx: Cendry, client: Any, figures: Figures) -> None:
    sdk, methods, arguments = best(
        lambda: of_the_sdk(client), lambda: chained(ctx), lambda: by_arguments(ctx), calls=CALLS
    )
    times = f"with order_by= {1e6 * arguments:.1f} us, the SDK's own {1e6 * sdk:.1f} us"
    figures("building a query of three filters and an order", 1e6 * methods, unit="us", budget=BUDGET_US, detail=times)


def test_building_and_planning_cost_less_than_the_sdks_building(ctx: Cendry, client: Any, figures: Figures) -> None:
    sdk, ours = best(lambda: of_the_sdk(client), lambda: plan(chained(ctx)), calls=CALLS)
    figures(
        "building and planning it",
        ours / sdk,
        budget=1.0,
        detail=f"{1e6 * ours:.1f} us, the SDK's building alone {1e6 * sdk:.1f} us",
    )


def test_the_way_to_the_message_costs_half_of_the_sdks(ctx: Cendry, client: Any, figures: Figures) -> None:
    def sdk() -> None:
        for _ in range(IN_A_ROUND):
            of_the_sdk(client)._to_protobuf()

    def ours() -> None:
        for _ in range(IN_A_ROUND):
            query_request(plan(chained(ctx)), DATABASE, None)

    found = medians(ours=ours, sdk=sdk)
    figures.ratios(
        "building and compiling it, up to the message that is sent",
        found["ours"],
        found["sdk"],
        cpu=0.5,
        wall=0.5,
        each=IN_A_ROUND,
        per="query",
    )
