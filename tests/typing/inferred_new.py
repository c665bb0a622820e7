from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from cendry import Field, GeoPoint, Map, Model, Ref, field


class InferredHomeColour(Map):
    name: Field[str]
    shade: Field[float]


class InferredHome(Map):
    colour: Field[InferredHomeColour]
    label: Field[str]
    notes: Field[bytes]


class InferredHomesColour(Map):
    name: Field[str]
    shade: Field[float]


class InferredHomes(Map):
    colour: Field[InferredHomesColour]
    label: Field[str]
    notes: Field[Any]


class InferredUser(Map):
    auth_domain: Field[str]
    email: Field[str]
    user_id: Field[str]


class InferredUsers(Map):
    auth_domain: Field[str]
    email: Field[str]
    user_id: Field[str]


class Inferred(Model, collection="Inferred"):
    # inferred from 4 entities
    # local, locals, packed, packs: entities? a Map, with metadata={"ndb": "local"}
    # big, bigs, conf, confs, matrix: JSON? a Map or dict[str, Any]; a list with metadata={"ndb": "json"}
    # stories, story: text? str
    big: Field[bytes | None]
    bigs: Field[list[bytes]]
    blob: Field[bytes | None]
    blobs: Field[list[bytes]]
    boolean: Field[bool | None]
    booleans: Field[list[bool]]
    class_: Annotated[Field[list[str]], field(alias="class")]
    computed: Field[str]
    conf: Field[bytes | None]
    confs: Field[list[bytes]]
    # a date? each is the beginning of a day
    day: Field[datetime | None]
    days: Field[list[datetime]]
    generic: Field[str | None]
    generics: Field[list[str]]
    home: Field[InferredHome | None]
    homes: Field[list[InferredHomes]]
    hour: Field[datetime | None]
    hours: Field[list[datetime]]
    integer: Field[int | None]
    integers: Field[list[int]]
    # refers to "Other"
    k: Field[Ref[Any] | None]
    # refers to "Other"
    keys: Field[list[Ref[Any]]]
    local: Field[bytes | None]
    locals: Field[list[bytes]]
    matrix: Field[bytes | None]
    moment: Field[datetime | None]
    moments: Field[list[datetime]]
    more: Field[str | None] = field(default=None)
    packed: Field[bytes | None]
    packed_pickle: Field[bytes | None]
    packs: Field[list[bytes]]
    pickled: Field[bytes | None]
    pickles: Field[list[bytes]]
    point: Field[GeoPoint | None]
    points: Field[list[GeoPoint]]
    real: Field[float | None]
    reals: Field[list[float]]
    small: Field[bytes | None]
    smalls: Field[list[bytes]]
    stories: Field[list[bytes]]
    story: Field[bytes | None]
    string: Field[str | None]
    strings: Field[list[str]]
    text: Field[str | None]
    texts: Field[list[str]]
    user: Field[InferredUser | None]
    users: Field[list[InferredUsers]]
