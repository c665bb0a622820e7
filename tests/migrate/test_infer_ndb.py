"""Models that are inferred from what google-cloud-ndb stored, in each of its forms."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import google.cloud.ndb as ndb
import pytest
from cendry import Cendry, DatastoreBackend, FirestoreBackend, Model
from cendry_datastore.migrate import Source, Target, Transforms, copy, infer, plan, validate, verify
from datastore.ndb_properties import Properties, values

SAMPLES = Path(__file__).parents[1] / "typing"


class Colour(ndb.Model):  # type: ignore[misc]  # ndb has no types.
    name = ndb.StringProperty()
    shade = ndb.FloatProperty()


class Part(ndb.Model):  # type: ignore[misc]  # ndb has no types.
    label = ndb.StringProperty()
    colour = ndb.StructuredProperty(Colour)
    notes = ndb.TextProperty(compressed=True)


class Box(ndb.Model):  # type: ignore[misc]  # ndb has no types.
    note = ndb.TextProperty()
    parts = ndb.LocalStructuredProperty(Part, repeated=True)


class Inferred(Properties, ndb.PolyModel):  # type: ignore[misc]  # ndb has no types.
    """Each property of ndb."""

    user = ndb.UserProperty()
    computed = ndb.ComputedProperty(lambda self: (self.string or "").upper())
    packed_pickle = ndb.PickleProperty(compressed=True)
    home = ndb.StructuredProperty(Part)
    local = ndb.LocalStructuredProperty(Box)
    packed = ndb.LocalStructuredProperty(Box, compressed=True)
    booleans = ndb.BooleanProperty(repeated=True)
    integers = ndb.IntegerProperty(repeated=True)
    reals = ndb.FloatProperty(repeated=True)
    strings = ndb.StringProperty(repeated=True)
    texts = ndb.TextProperty(repeated=True)
    moments = ndb.DateTimeProperty(repeated=True)
    days = ndb.DateProperty(repeated=True)
    hours = ndb.TimeProperty(repeated=True)
    points = ndb.GeoPtProperty(repeated=True)
    keys = ndb.KeyProperty(repeated=True)
    users = ndb.UserProperty(repeated=True)
    blobs = ndb.BlobProperty(repeated=True)
    pickles = ndb.PickleProperty(repeated=True)
    generics = ndb.GenericProperty(repeated=True)
    smalls = ndb.BlobProperty(compressed=True, repeated=True)
    bigs = ndb.JsonProperty(compressed=True, repeated=True)
    homes = ndb.StructuredProperty(Part, repeated=True)
    locals = ndb.LocalStructuredProperty(Box, repeated=True)
    packs = ndb.LocalStructuredProperty(Box, compressed=True, repeated=True)


class Special(Inferred):
    more = ndb.StringProperty()


def full() -> dict[str, Any]:
    """A value of each property; made in a context of ndb."""
    part = Part(label="a", colour=Colour(name="red", shade=0.5), notes="long " * 50)
    plain = Part(label="b", colour=Colour(name="blue", shade=1.5))
    box = Box(note="n", parts=[part, Part(label="c")])
    user = ndb.User(email="ada@example.com", _auth_domain="example.com", _user_id="7")
    one = {**values(), "user": user}
    several = {
        name: [one[single], one[single]]
        for name, single in {
            "booleans": "boolean",
            "integers": "integer",
            "reals": "real",
            "strings": "string",
            "texts": "text",
            "moments": "moment",
            "days": "day",
            "hours": "hour",
            "points": "point",
            "users": "user",
            "blobs": "blob",
            "pickles": "pickled",
            "generics": "generic",
            "smalls": "small",
            "bigs": "big",
        }.items()
    }
    return {
        **one,
        **several,
        "keys": [one["key_"], ndb.Key("Other", "x")],
        "packed_pickle": [1],
        "home": part,
        "local": box,
        "packed": box,
        "homes": [plain, plain],
        "locals": [box, Box(note="m")],
        "packs": [box],
    }


def fill(project: str, *, legacy: bool) -> int:
    """Store entities that are full, half full and empty; returns how many."""
    with ndb.Client(project=project).context(legacy_data=legacy):
        values = full()
        half = dict(list(values.items())[::2])
        made = [Inferred(id="full", **values), Inferred(id="half", **half), Inferred(id="empty")]
        made.append(Special(id="s", more="x"))
        ndb.put_multi(made)
        return len(made)


def model_in(text: str) -> type[Model]:
    """The model in a printed module."""
    module = types.ModuleType("inferred_from_ndb")
    sys.modules[module.__name__] = module
    exec(compile(text, module.__name__, "exec"), vars(module))
    found: type[Model] = vars(module)["Inferred"]
    return found


@pytest.fixture(params=["legacy", "new"])
def form(request: pytest.FixtureRequest) -> Iterator[str]:
    """How ndb stores entities in entities."""
    yield request.param
    sys.modules.pop("inferred_from_ndb", None)


def test_the_model_of_all_that_ndb_stores_reads_each_entity_before_and_after_the_migration(
    any_datastore: str, source: Source, target: Target, project: str, form: str, tmp_path: Path
) -> None:
    count = fill(project, legacy=form == "legacy")
    text = infer(source, "Inferred", ndb=True)
    # The files of that folder pass mypy, pyright and ty.
    assert (SAMPLES / f"inferred_{form}.py").read_text() == text
    model = model_in(text)
    report = validate(source, [model], ndb=True)
    assert ([], count) == (list(report.problems), report.kinds[0].fits)
    with Cendry(backend=DatastoreBackend(source.client, ndb=True)) as before:
        found = {each.id: each for each in before.select(model)}
    assert {"full", "half", "empty", "s"} == found.keys()
    planned = plan(source, target, transforms=Transforms.ndb(model))
    assert (count, 0) == ((result := copy(planned, state=tmp_path, source=source, target=target)).copied, result.dead)
    proof = verify(planned, state=tmp_path, source=source, target=target, models=[model])
    assert proof.ok, proof
    with Cendry(backend=FirestoreBackend(target.client)) as after:
        assert found == {each.id: each for each in after.select(model)}
