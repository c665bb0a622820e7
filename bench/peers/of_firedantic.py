# /// script
# requires-python = ">=3.10"
# dependencies = ["firedantic>=0.12"]
# ///
"""firedantic at the tasks: pydantic models, sync and async."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any

import firedantic
from google.cloud.firestore import AsyncClient, Client, GeoPoint, async_transactional, transactional
from pydantic import BaseModel, ConfigDict, Field, PlainSerializer
from tasks import DATA, Adapter, Doing, Setting, Unable, Work, main

IN_A_TRANSACTION = "in one transaction, since it has no batch"


class Status(Enum):
    OPEN = "open"
    CLOSED = "closed"


class Mayor(BaseModel):
    name: str
    since: int


class Fields(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)

    name: str = Field(alias="displayName")
    population: int = 0
    area: float
    capital: bool = False
    founded: datetime
    seal: bytes
    regions: list[str]
    mayor: Mayor
    former: list[Mayor]
    status: Annotated[Status, PlainSerializer(lambda status: status.value)]
    place: GeoPoint
    budget: Annotated[Decimal, PlainSerializer(str)]
    note: str | None = None


class City(Fields, firedantic.Model):
    __collection__ = "cities"


class Written(Fields, firedantic.Model):
    __collection__ = "by_firedantic"


class AsyncCity(Fields, firedantic.AsyncModel):
    __collection__ = "cities"


class AsyncWritten(Fields, firedantic.AsyncModel):
    __collection__ = "by_firedantic_async"


def sync(setting: Setting) -> Work:
    firedantic.configure(Client(project=setting.project))
    many = setting.many(lambda id: Written(id=id, **DATA))
    single = setting.single(lambda id: Written(id=id, **DATA))

    def read() -> None:
        assert setting.documents == sum(1 for city in City.find() if city.name)

    def get() -> None:
        for id in setting.ids():
            assert City.get_by_id(id).name

    @transactional
    def in_a_transaction(transaction: Any, cities: list[Written]) -> None:
        for city in cities:
            city.save(transaction=transaction)

    def save_many() -> None:
        in_a_transaction(firedantic.get_transaction(), next(many))

    def save() -> None:
        for city in next(single):
            city.save()

    return {
        "read": Doing(read, "all at once, in a list"),
        "get": Doing(get),
        "save many": Doing(save_many, IN_A_TRANSACTION, saves="by_firedantic/many-1-0000"),
        "save": Doing(save, saves="by_firedantic/single-1-0000"),
        "build": Unable("a query is sent where it is written; there is none to build"),
    }


async def aio(setting: Setting) -> Work:
    firedantic.configure(AsyncClient(project=setting.project))
    many = setting.many(lambda id: AsyncWritten(id=id, **DATA))
    single = setting.single(lambda id: AsyncWritten(id=id, **DATA))

    async def read() -> None:
        assert setting.documents == sum(1 for city in await AsyncCity.find() if city.name)

    async def get() -> None:
        for id in setting.ids():
            assert (await AsyncCity.get_by_id(id)).name

    @async_transactional
    async def in_a_transaction(transaction: Any, cities: list[AsyncWritten]) -> None:
        for city in cities:
            await city.save(transaction=transaction)

    async def save_many() -> None:
        await in_a_transaction(firedantic.get_async_transaction(), next(many))

    async def save() -> None:
        for city in next(single):
            await city.save()

    return {
        "read async": Doing(read, "all at once, in a list"),
        "get async": Doing(get),
        "save many async": Doing(save_many, IN_A_TRANSACTION, saves="by_firedantic_async/many-1-0000"),
        "save async": Doing(save, saves="by_firedantic_async/single-1-0000"),
    }


ADAPTER = Adapter(
    "firedantic",
    sync,
    aio,
    (
        "the enum and the Decimal are written by serializers of pydantic in the model; it gives both to the SDK as "
        "they are, which refuses them",
        "the geo point is the SDK's, allowed as an arbitrary type",
    ),
)

if __name__ == "__main__":
    main(ADAPTER)
