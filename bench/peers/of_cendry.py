"""Cendry at the tasks. It runs in the environment that the comparison itself runs in."""

from __future__ import annotations

from cendry import AsyncCendry, Cendry, default_registry
from cendry._query.builders import spec_of
from cendry._query.compile import compiled
from cendry.codec import codec_for
from cendry_firestore._requests import query_request
from codec_model import DATA, City, Mayor
from tasks import Adapter, Doing, Setting, Work, main


class Written(City, collection="by_cendry"):
    pass


class WrittenAsync(City, collection="by_cendry_async"):
    pass


def sync(setting: Setting) -> Work:
    ctx = Cendry(project=setting.project)
    database = f"projects/{setting.project}/databases/(default)"
    decode = codec_for(Written).decode
    many = setting.many(lambda id: decode(DATA, id))
    single = setting.single(lambda id: decode(DATA, id))

    def read() -> None:
        assert setting.documents == sum(1 for city in ctx.select(City) if city.name)

    def get() -> None:
        for id in setting.ids():
            assert ctx.get(City, id).name

    def save_many() -> None:
        ctx.save_many(next(many))

    def save() -> None:
        for city in next(single):
            ctx.save(city)

    def build() -> None:
        for _ in range(setting.queries):
            query = ctx.select(
                City, City.name == "San Francisco", City.population > 100_000, City.mayor[Mayor.name] == "Ada"
            ).order_by(City.population.desc())
            query_request(compiled(spec_of(query), default_registry).plan, database, None)

    return {
        "read": Doing(read),
        "get": Doing(get),
        "save many": Doing(save_many, saves="by_cendry/many-1-0000"),
        "save": Doing(save, saves="by_cendry/single-1-0000"),
        "build": Doing(build),
    }


async def aio(setting: Setting) -> Work:
    ctx = AsyncCendry(project=setting.project)
    decode = codec_for(WrittenAsync).decode
    many = setting.many(lambda id: decode(DATA, id))
    single = setting.single(lambda id: decode(DATA, id))

    async def read() -> None:
        assert setting.documents == len([None async for city in ctx.select(City) if city.name])

    async def get() -> None:
        for id in setting.ids():
            assert (await ctx.get(City, id)).name

    async def save_many() -> None:
        await ctx.save_many(next(many))

    async def save() -> None:
        for city in next(single):
            await ctx.save(city)

    return {
        "read async": Doing(read),
        "get async": Doing(get),
        "save many async": Doing(save_many, saves="by_cendry_async/many-1-0000"),
        "save async": Doing(save, saves="by_cendry_async/single-1-0000"),
    }


ADAPTER = Adapter("cendry-firestore", sync, aio)

if __name__ == "__main__":
    main(ADAPTER)
