# /// script
# requires-python = ">=3.10"
# dependencies = ["firestore-pydantic-odm>=1.0.22"]
# ///
"""firestore-pydantic-odm at the tasks: pydantic models, async alone."""

from __future__ import annotations

import os
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated

from firestore_pydantic_odm import BaseFirestoreModel, BatchOperation, FirestoreDB, init_firestore_odm
from google.cloud.firestore import GeoPoint
from pydantic import BaseModel, ConfigDict, Field, PlainSerializer
from tasks import DATA, Adapter, Doing, Setting, Unable, Work, main

NO_SYNC = Unable("it has no sync API")


class Status(Enum):
    OPEN = "open"
    CLOSED = "closed"


class Mayor(BaseModel):
    name: str
    since: int


class Fields(BaseFirestoreModel):
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


class City(Fields):
    class Settings:
        name = "cities"


class Written(Fields):
    class Settings:
        name = "by_firestore_pydantic_odm"


def sync(setting: Setting) -> Work:
    return {
        **dict.fromkeys(("read", "get", "save many", "save"), NO_SYNC),
        "build": Unable("a query is sent where it is written; there is none to build"),
    }


async def aio(setting: Setting) -> Work:
    db = FirestoreDB(project_id=setting.project, emulator_host=os.environ["FIRESTORE_EMULATOR_HOST"])
    init_firestore_odm(db, [City, Written])
    many = setting.many(lambda id: Written(id=id, **DATA))
    single = setting.single(lambda id: Written(id=id, **DATA))

    async def read() -> None:
        assert setting.documents == len([None async for city in City.find() if city.name])

    async def get() -> None:
        for id in setting.ids():
            city = await City.get(id)
            assert city is not None
            assert city.name

    async def save_many() -> None:
        await Written.batch_write([(BatchOperation.CREATE, city) for city in next(many)])

    async def save() -> None:
        for city in next(single):
            await city.save(exclude_none=False, exclude_unset=False)

    return {
        "read async": Doing(read),
        "get async": Doing(get),
        "save many async": Doing(save_many, saves="by_firestore_pydantic_odm/many-1-0000"),
        "save async": Doing(save, saves="by_firestore_pydantic_odm/single-1-0000"),
    }


ADAPTER = Adapter(
    "firestore-pydantic-odm",
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
