# /// script
# requires-python = ">=3.10"
# dependencies = ["fireo>=2.2.2"]
# ///
"""fireo at the tasks: fields of its own, sync alone."""

from __future__ import annotations

from enum import Enum

import fireo
from fireo.fields import (
    BooleanField,
    DateTime,
    Field,
    GeoPoint,
    IDField,
    ListField,
    NestedModelField,
    NumberField,
    TextField,
)
from fireo.fields.enum_field import EnumField
from fireo.models import Model
from google.cloud.firestore import Client
from tasks import DATA, Adapter, Doing, Setting, Unable, Work, main

NO_ASYNC = Unable("it has no async API")


class Status(Enum):
    OPEN = "open"
    CLOSED = "closed"


class Mayor(Model):
    name = TextField()
    since = NumberField(int_only=True)


class Fields(Model):
    class Meta:
        abstract = True

    id = IDField()
    name = TextField(column_name="displayName")
    population = NumberField(int_only=True, default=0)
    area = NumberField(float_only=True)
    capital = BooleanField(default=False)
    founded = DateTime()
    seal = Field()
    regions = ListField(nested_field=TextField())
    mayor = NestedModelField(Mayor)
    former = ListField(nested_field=NestedModelField(Mayor))
    status = EnumField(enum=Status)
    place = GeoPoint()
    budget = TextField()
    note = TextField()


class City(Fields):
    class Meta:
        collection_name = "cities"


class Written(Fields):
    class Meta:
        collection_name = "by_fireo"


def written(id: str) -> Written:
    """One that was never saved."""
    values = {name: value for name, value in DATA.items() if name not in ("displayName", "mayor", "former", "status")}
    return Written(
        id=id,
        name=DATA["displayName"],
        mayor=Mayor(**DATA["mayor"]),
        former=[Mayor(**each) for each in DATA["former"]],
        status=Status.OPEN,
        **values,
    )


def sync(setting: Setting) -> Work:
    fireo.connection(client=Client(project=setting.project))
    many = setting.many(written)
    single = setting.single(written)

    def read() -> None:
        assert setting.documents == sum(1 for city in City.collection.fetch() if city.name)

    def get() -> None:
        for id in setting.ids():
            assert City.collection.get(f"cities/{id}").name

    def save_many() -> None:
        batch = fireo.batch()
        for city in next(many):
            city.save(batch=batch)
        batch.commit()

    def save() -> None:
        for city in next(single):
            city.save(no_return=True)

    def build() -> None:
        for _ in range(setting.queries):
            query = (
                City.collection.filter("name", "==", "San Francisco")
                .filter("population", ">", 100_000)
                .filter("mayor.name", "==", "Ada")
                .order("-population")
            )
            query.query._to_protobuf()

    return {
        "read": Doing(read),
        "get": Doing(get),
        "save many": Doing(save_many, saves="by_fireo/many-1-0000"),
        "save": Doing(save, "with `no_return`, or it would read each document back", saves="by_fireo/single-1-0000"),
        "build": Doing(build, "with the SDK's compiling of the query that it hands out"),
    }


async def aio(setting: Setting) -> Work:
    return dict.fromkeys(("read async", "get async", "save many async", "save async"), NO_ASYNC)


ADAPTER = Adapter(
    "fireo",
    sync,
    aio,
    (
        "it has no field for a Decimal: a text field, and no check that it is a number",
        "it has no field for bytes: its untyped `Field`",
    ),
)

if __name__ == "__main__":
    main(ADAPTER)
