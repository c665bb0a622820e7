"""What google-cloud-ndb stores, moved with the transforms that models ask for: both sides read the same."""

from __future__ import annotations

from pathlib import Path

import google.cloud.ndb as ndb
import pytest
from cendry import Cendry
from cendry_datastore.migrate import Place, Plan, Shard, Source, Target, copy, verify
from cendry_datastore.migrate.choices import Observer, asked_by
from cendry_datastore.migrate.values import KindPlan, new_id
from migrate.shops import Address, Home, Shop, ndb_models, shop_of
from migrate.sides import Sides


@pytest.mark.parametrize("legacy", [True, False], ids=["legacy", "new"])
def test_both_sides_read_what_ndb_stored(sides: Sides, tmp_path: Path, legacy: bool) -> None:
    address, home, shop = ndb_models()
    client = ndb.Client(project=sides.project)
    with client.context(legacy_data=legacy):
        shop_of(shop, address, home, "full").put()
        shop(id="empty").put()
    expected = shop_of(Shop, Address, Home, "full")
    source, target = Source(sides.source_client), Target(sides.target_client)
    shard = Shard("NdbShop", 0)
    observer = Observer("NdbShop", asked_by([Shop]))
    for page in source.pages(shard):
        for result in page.results:
            observer.see(result.entity)
    decisions = observer.decide()
    assert [] == [one for one in decisions if not one.is_made]
    place = Place(sides.project)
    plan = Plan(
        id=new_id(),
        source=place,
        target=place,
        read_time=source.now(),
        mode="ndb",
        transforms=tuple(one.transform for one in decisions),
        kinds=(KindPlan("NdbShop", "NdbShop", 2, (shard,)),),
        foreign="refuse",
        tool="0",
    )
    result = copy(plan, state=tmp_path, source=source, target=target)
    assert (2, 0) == (result.copied, result.dead)
    for backend in (source.backend(ndb=True), target.backend()):
        assert expected == Cendry(backend=backend).get(Shop, "full")
    proof = verify(plan, state=tmp_path, source=source, target=target, models=[Shop])
    assert (2, 2, True, ()) == (proof.source, proof.target, proof.ok, proof.differences)
