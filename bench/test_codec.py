"""The codec against code written by hand that makes the same checks, and against pydantic, on the same data."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import codec_direct
import codec_model
import pytest
from cendry import Field, Map, Model
from cendry.codec import codec_for
from cendry.codec.message import encoder
from cendry.convert import from_dict, to_dict
from cendry_firestore._dialect import FIRESTORE
from codec_model import DATA, UNION_DATA, City, PlainCity, UnionCity
from codec_pydantic import PydanticCity, PydanticJsonCity
from figures import Figures, best

CALLS = 500
DECODE_BUDGET, ENCODE_BUDGET = 1.1, 1.2
FROM_DICT_BUDGET, FROM_JSON_BUDGET, TO_JSON_BUDGET = 1.3, 1.3, 1.5
UNION_BUDGET = 1.15
SINCE = (3, 13)

decode, encode = codec_for(City).decode, codec_for(City).encode
CITY = decode(DATA, "SF")
STORED_BY_NAME = to_dict(CITY)
JSON_BY_NAME, JSON_STORED = to_dict(CITY, mode="json"), to_dict(CITY, by_alias=True, mode="json")
PYDANTIC_CITY = PydanticCity.model_validate({**DATA, "id": "SF"})


class Part(Map):
    a: Field[int]
    b: Field[str]
    c: Field[float]
    d: Field[bool]


class Typed(Model, collection="typed"):
    numbers: Field[dict[str, int]]
    texts: Field[dict[str, str]]
    items: Field[list[int]]
    parts: Field[list[Part]]


class Untyped(Model, collection="untyped"):
    numbers: Field[dict]  # type: ignore[type-arg]
    texts: Field[dict]  # type: ignore[type-arg]
    items: Field[list]  # type: ignore[type-arg]
    parts: Field[list]  # type: ignore[type-arg]


FREE: dict[str, Any] = {
    "numbers": {f"k{number}": number for number in range(20)},
    "texts": {f"k{number}": f"v{number}" for number in range(20)},
    "items": list(range(20)),
}
UNTYPED_BUDGET = 2.0

Cases = dict[str, Callable[[], Any]]

READING: Cases = {
    "Cendry": lambda: decode(DATA, "SF"),
    "by hand, direct stores": lambda: codec_direct.decode_city(DATA, "SF"),
    "by hand, constructor": lambda: codec_model.decode_city(DATA, "SF"),
    "pydantic": lambda: PydanticCity.model_validate(DATA),
    "from_dict": lambda: from_dict(City, STORED_BY_NAME, doc_id="SF"),
}
WRITING: Cases = {
    "Cendry": lambda: encode(CITY),
    "by hand, direct": lambda: codec_direct.encode_city(CITY),
    "by hand, plain": lambda: codec_model.encode_city(CITY),
    "pydantic": lambda: PYDANTIC_CITY.model_dump(by_alias=True),
    "to_dict": lambda: to_dict(CITY, by_alias=True),
}


def test_all_ways_give_the_same() -> None:
    assert CITY == codec_model.decode_city(DATA, "SF") == codec_direct.decode_city(DATA, "SF")
    assert CITY == from_dict(City, STORED_BY_NAME, doc_id="SF")
    assert DATA == encode(CITY) == codec_model.encode_city(CITY) == codec_direct.encode_city(CITY)
    # pydantic leaves enums and Decimals as they are, and takes the GeoPoint apart.
    kept = {"id": "SF", "status": CITY.status, "budget": CITY.budget, "place": dataclasses.asdict(CITY.place)}
    assert {**DATA, **kept} == PYDANTIC_CITY.model_dump(by_alias=True)


def test_dicts_and_json(figures: Figures) -> None:
    """What comes from users, next to pydantic; and JSON next to stored values."""
    assert CITY == from_dict(City, JSON_BY_NAME, doc_id="SF", mode="json")
    functions: Cases = {
        "from_dict": lambda: from_dict(City, STORED_BY_NAME, doc_id="SF"),
        "model_validate": lambda: PydanticCity.model_validate(DATA),
        "from JSON": lambda: from_dict(City, JSON_BY_NAME, doc_id="SF", mode="json"),
        "model_validate of JSON": lambda: PydanticJsonCity.model_validate(JSON_STORED),
        "to_dict": lambda: to_dict(CITY),
        "to JSON": lambda: to_dict(CITY, mode="json"),
    }
    took = dict(zip(functions, best(*functions.values(), calls=CALLS), strict=True))
    for ours, other, budget in (
        ("from_dict", "model_validate", FROM_DICT_BUDGET),
        ("from JSON", "model_validate of JSON", FROM_JSON_BUDGET),
        ("to JSON", "to_dict", TO_JSON_BUDGET),
    ):
        times = f"{1e6 * took[ours]:.2f} us, {1e6 * took[other]:.2f} us"
        figures(f"{ours}, 13 fields, next to {other}", took[ours] / took[other], budget=budget, detail=times)


@pytest.mark.parametrize(
    ("what", "cases", "budget"),
    [("dict -> instance", READING, DECODE_BUDGET), ("instance -> dict", WRITING, ENCODE_BUDGET)],
)
def test_codec(what: str, cases: Cases, budget: float, figures: Figures) -> None:
    took = dict(zip(cases, best(*cases.values(), calls=CALLS), strict=True))
    ours = took.pop("Cendry")
    for name, other in took.items():
        times = f"{1e6 * ours:.2f} us, {name} {1e6 * other:.2f} us"
        # pydantic and Cendry's own dict functions are there for scale.
        of_hand = budget if name.startswith("by hand") else None
        figures(f"{what}, next to {name}", ours / other, budget=of_hand, since=SINCE, detail=times)


def test_untyped_values(figures: Figures) -> None:
    typed = Typed(**FREE, parts=[Part(a=1, b="x", c=1.5, d=True)] * 5)
    untyped = Untyped(**FREE, parts=[{"a": 1, "b": "x", "c": 1.5, "d": True}] * 5)
    write_typed, write_untyped = (encoder(codec_for(model), FIRESTORE, "p") for model in (Typed, Untyped))
    assert write_typed(typed).message == write_untyped(untyped).message
    with_types, without = best(lambda: write_typed(typed), lambda: write_untyped(untyped), calls=CALLS)
    figures(
        "untyped dicts and lists -> message, next to typed ones",
        without / with_types,
        budget=UNTYPED_BUDGET,
        detail=f"{1e6 * without:.1f} us and {1e6 * with_types:.1f} us",
    )


def test_a_union_is_dispatched_by_compiled_code(figures: Figures) -> None:
    """Of 13 fields, two hold unions: a map, and a list of three."""
    of_union, of_plain = codec_for(UnionCity), codec_for(PlainCity)
    union, plain = of_union.decode(UNION_DATA, "SF"), of_plain.decode(UNION_DATA, "SF")
    read = best(lambda: of_union.decode(UNION_DATA, "SF"), lambda: of_plain.decode(UNION_DATA, "SF"), calls=CALLS)
    figures("dict -> instance with unions, next to the same maps", read[0] / read[1], budget=UNION_BUDGET)
    written = best(lambda: of_union.encode(union), lambda: of_plain.encode(plain), calls=CALLS)
    figures("instance -> dict with unions, next to the same maps", written[0] / written[1], budget=UNION_BUDGET)


@pytest.mark.benchmark(group="dict -> instance")
@pytest.mark.parametrize("case", READING)
def test_reading(case: str, benchmark: Any) -> None:
    benchmark(READING[case])


@pytest.mark.benchmark(group="instance -> dict")
@pytest.mark.parametrize("case", WRITING)
def test_writing(case: str, benchmark: Any) -> None:
    benchmark(WRITING[case])
