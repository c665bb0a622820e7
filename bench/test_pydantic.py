"""A Model as a type of pydantic, as FastAPI uses it, next to a `BaseModel` of the same fields."""

from __future__ import annotations

import json

from cendry.codec import codec_for
from cendry.convert import to_dict
from codec_model import DATA, City
from codec_pydantic import PydanticJsonCity
from figures import Figures, best
from pydantic import TypeAdapter

CALLS = 300
VALIDATE_BUDGET, DUMP_BUDGET = 1.5, 2.0

CITY = codec_for(City).decode(DATA, "SF")
BODY = to_dict(CITY, include_id=True, mode="json")
PYDANTIC_BODY = {**to_dict(CITY, by_alias=True, mode="json"), "id": "SF"}
PYDANTIC_CITY = PydanticJsonCity.model_validate(PYDANTIC_BODY)

ours, theirs = TypeAdapter(City), TypeAdapter(PydanticJsonCity)


def test_both_say_the_same() -> None:
    assert CITY == ours.validate_python(BODY)
    assert BODY == json.loads(ours.dump_json(CITY))
    # As JSON, pydantic has other names for the same moment.
    times = {"founded": json.loads(theirs.dump_json(PYDANTIC_CITY))["founded"]}
    assert {**PYDANTIC_BODY, **times} == json.loads(theirs.dump_json(PYDANTIC_CITY, by_alias=True))


def test_a_body_and_an_answer(figures: Figures) -> None:
    validate, theirs_validate, dump, theirs_dump = best(
        lambda: ours.validate_python(BODY),
        lambda: theirs.validate_python(PYDANTIC_BODY),
        lambda: ours.dump_json(CITY),
        lambda: theirs.dump_json(PYDANTIC_CITY, by_alias=True),
        calls=CALLS,
    )
    for what, own, other, budget in (
        ("validate_python of parsed JSON", validate, theirs_validate, VALIDATE_BUDGET),
        ("dump_json", dump, theirs_dump, DUMP_BUDGET),
    ):
        figures(
            f"TypeAdapter(City).{what}, 13 fields, next to a BaseModel",
            own / other,
            budget=budget,
            detail=f"{1e6 * own:.2f} us, {1e6 * other:.2f} us",
        )
