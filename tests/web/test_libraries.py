"""Models in libraries that work with dataclasses."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Annotated

import attrs
import cattrs
import msgspec
import orjson
import pytest
from cattrs.preconf.json import make_converter
from cendry import Field, Map, Model, field, to_dict
from polyfactory.factories import DataclassFactory


class Mayor(Map):
    name: Field[str]


class City(Model, collection="cities"):
    name: Annotated[Field[str], field(alias="displayName")]
    tags: Field[list[str]] = field(default_factory=list)
    mayor: Field[Mayor | None] = field(default=None)
    seen: Field[datetime | None] = field(auto_now=True)


class Capital(City, collection="capitals"):
    since: Field[int] = field(default=1900)


SEEN = datetime(2026, 5, 1, tzinfo=timezone.utc)
CAPITAL = Capital(id="SF", name="San Francisco", tags=["a"], mayor=Mayor(name="M"), seen=SEEN)


def test_msgspec_converts_and_describes_a_model() -> None:
    plain = msgspec.to_builtins(CAPITAL)
    assert ("SF", {"name": "M"}, 1900) == (plain["id"], plain["mayor"], plain["since"])
    assert CAPITAL == msgspec.convert(plain, Capital)
    schema = msgspec.json.schema(Capital)
    assert {"id", "name", "tags", "mayor", "seen", "since"} == schema["$defs"]["Capital"]["properties"].keys()
    with pytest.raises(msgspec.ValidationError, match=r"required field `name` - at `\$\.mayor`"):
        msgspec.convert({"name": "x", "mayor": {}}, Capital)


def test_cattrs_structures_a_model() -> None:
    converter = make_converter()
    assert CAPITAL == converter.loads(converter.dumps(CAPITAL), Capital)
    unstructured = converter.unstructure(CAPITAL)
    assert {"name": "M"} == unstructured["mayor"]
    assert "SF" == unstructured["id"]
    assert [CAPITAL] == converter.structure([unstructured], list[Capital])
    with pytest.raises(cattrs.ClassValidationError):
        converter.structure({"mayor": {}}, Capital)


def test_attrs_classes_hold_models() -> None:
    @attrs.define
    class Visit:
        city: City = attrs.field(validator=attrs.validators.instance_of(City))
        cities: list[City] = attrs.field(factory=list)

    visit = Visit(CAPITAL, [CAPITAL])
    assert {"city": CAPITAL, "cities": [CAPITAL]} == attrs.asdict(visit)
    assert visit == attrs.evolve(visit)
    with pytest.raises(TypeError):
        Visit("SF")  # type: ignore[arg-type]
    converter = make_converter()
    again = converter.structure(converter.unstructure(Visit(City(name="x"))), Visit)
    assert Visit(City(name="x")) == again


def test_polyfactory_builds_models() -> None:
    class CityFactory(DataclassFactory[City]):
        __model__ = City

    CityFactory.seed_random(1)
    cities = CityFactory.batch(20)
    assert {City} == {type(city) for city in cities}
    assert {type(None), str} == {type(city.id) for city in cities}
    assert {type(None), Mayor} == {type(city.mayor) for city in cities}
    assert all(to_dict(city)["name"] for city in cities)
    assert "x" == CityFactory.build(name="x").name


def test_orjson_dumps_a_model() -> None:
    assert CAPITAL == msgspec.json.decode(orjson.dumps(CAPITAL), type=Capital)
    dumped = orjson.dumps(CAPITAL, option=orjson.OPT_UTC_Z)
    assert to_dict(CAPITAL, include_id=True, mode="json") == orjson.loads(dumped)
