"""The properties of ndb that hold one value, or a list of one kind, for models of ndb in tests."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Any

import google.cloud.ndb as ndb


class Properties:
    """A base of models, beside one of ndb's, which finds them there."""

    boolean = ndb.BooleanProperty()
    integer = ndb.IntegerProperty()
    real = ndb.FloatProperty()
    string = ndb.StringProperty()
    text = ndb.TextProperty()
    moment = ndb.DateTimeProperty()
    day = ndb.DateProperty()
    hour = ndb.TimeProperty()
    point = ndb.GeoPtProperty()
    key_ = ndb.KeyProperty(name="k")
    blob = ndb.BlobProperty()
    pickled = ndb.PickleProperty()
    generic = ndb.GenericProperty()
    story = ndb.TextProperty(compressed=True)
    small = ndb.BlobProperty(compressed=True)
    stories = ndb.TextProperty(compressed=True, repeated=True)
    conf = ndb.JsonProperty()
    big = ndb.JsonProperty(compressed=True)
    confs = ndb.JsonProperty(repeated=True)
    matrix = ndb.JsonProperty()


def values() -> dict[str, Any]:
    """A value of each of them; made in a context of ndb."""
    return {
        "boolean": True,
        "integer": -(2**63),
        "real": 0.5,
        "string": "é",
        "text": "long " * 400,
        "moment": datetime(2020, 1, 2, 3, 4, 5, 6),
        "day": date(2020, 1, 2),
        "hour": time(1, 2, 3, 4),
        "point": ndb.GeoPt(1.5, -2.5),
        "key_": ndb.Key("Other", 7),
        "blob": b"\x00\xff",
        "pickled": {"a": (1, 2)},
        "generic": "any",
        "story": "a long story",
        "small": b"\x00\xff" * 50,
        "stories": ["one", "", "three"],
        "conf": {"dark": True, "list": [1, {"y": 2}], "in": {"x": None}},
        "big": {"a": [1.5, "x"]},
        "confs": [{"a": 1}, {"b": {"c": 2}}],
        "matrix": [1, 2, 3],
    }
