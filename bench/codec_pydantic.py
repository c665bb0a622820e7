"""The same fields as a pydantic model, for scale."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from cendry.values import GeoPoint
from codec_model import Status
from pydantic import BaseModel, ConfigDict, Field


class PydanticMayor(BaseModel):
    name: str
    since: int


class PydanticCity(BaseModel):
    # As quick as it gets with these values: `place` is looked at by isinstance.
    model_config = ConfigDict(arbitrary_types_allowed=True)

    id: str | None = None
    name: str = Field(alias="displayName")
    population: int = 0
    area: float
    capital: bool = False
    founded: datetime
    seal: bytes
    regions: list[str] = Field(default_factory=list)
    mayor: PydanticMayor
    former: list[PydanticMayor] = Field(default_factory=list)
    status: Status
    place: GeoPoint
    budget: Decimal
    note: str | None = None


class PydanticPoint(BaseModel):
    latitude: float
    longitude: float


class PydanticJsonCity(PydanticCity):
    """As it is for JSON; `seal` is Base64 in Cendry, and plain text here, which takes pydantic less time."""

    place: PydanticPoint
