"""A model that has each form in which google-cloud-ndb stores values, in Cendry and in ndb."""

from __future__ import annotations

from typing import Any

import google.cloud.ndb as ndb
from cendry import Field, Map, Model, field


class Address(Map):
    city: Field[str | None] = field(default=None)
    notes: Field[str | None] = field(default=None)


class Home(Map):
    address: Field[Address | None] = field(default=None)


class Shop(Model, collection="NdbShop"):
    name: Field[str | None] = field(default=None)
    bio: Field[str | None] = field(default=None)
    data: Field[bytes | None] = field(default=None)
    notes: Field[list[str]] = field(default_factory=list)
    address: Field[Address | None] = field(default=None)
    others: Field[list[Address]] = field(default_factory=list)
    home: Field[Home | None] = field(default=None)
    local: Field[Address | None] = field(default=None)
    locals: Field[list[Address]] = field(default_factory=list)
    packed: Field[Home | None] = field(default=None)
    settings: Field[dict[str, Any] | None] = field(default=None)
    zipped: Field[dict[str, Any] | None] = field(default=None)


def ndb_models() -> tuple[Any, Any, Any]:
    """The classes of ndb for addresses, homes and shops."""

    class NdbAddress(ndb.Model):  # type: ignore[misc]  # ndb has no types.
        city = ndb.StringProperty()
        notes = ndb.TextProperty(compressed=True)

    class NdbHome(ndb.Model):  # type: ignore[misc]  # ndb has no types.
        address = ndb.StructuredProperty(NdbAddress)

    class NdbShop(ndb.Model):  # type: ignore[misc]  # ndb has no types.
        name = ndb.StringProperty()
        bio = ndb.TextProperty(compressed=True)
        data = ndb.BlobProperty(compressed=True)
        notes = ndb.TextProperty(compressed=True, repeated=True)
        address = ndb.StructuredProperty(NdbAddress)
        others = ndb.StructuredProperty(NdbAddress, repeated=True)
        home = ndb.StructuredProperty(NdbHome)
        local = ndb.LocalStructuredProperty(NdbAddress)
        locals = ndb.LocalStructuredProperty(NdbAddress, repeated=True)
        packed = ndb.LocalStructuredProperty(NdbHome, compressed=True)
        settings = ndb.JsonProperty()
        zipped = ndb.JsonProperty(compressed=True)

    return NdbAddress, NdbHome, NdbShop


def shop_of(shop: Any, address: Any, home: Any, name: str) -> Any:
    """A shop of these classes, those of Cendry or of ndb, with a value in each field."""
    return shop(
        id=name,
        name="x",
        bio="é" * 500,
        data=b"\xff" * 100,
        notes=["a", "b"],
        address=address(city="Rome", notes="in Rome"),
        # Of a list in parts, ndb doesn't mark what it compresses.
        others=[address(city="Oslo"), address(city="Bonn")],
        home=home(address=address(city="Bari", notes="in Bari")),
        local=address(city="Nice", notes="in Nice"),
        locals=[address(city="Lodz", notes="in Lodz"), address()],
        packed=home(address=address(city="Cork", notes="in Cork")),
        settings={"a": [1, {"b": None}]},
        zipped={"x": 1.5},
    )
