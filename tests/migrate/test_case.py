"""Kinds whose names differ in case alone, with the files of the migration on a disk that ignores case."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cendry.jobs import DeadLetters, JobStoppedError, LocalStore, Progress, RealFiles, Stop
from cendry_datastore.migrate import Source, Target, copy, plan, retry_dead, verify
from google.cloud import datastore
from migrate.copies import check_equal
from migrate.seeding import entity, put

KINDS = ("SHOP", "Shop", "shop")


class FoldingFiles(RealFiles):
    """A disk to which `Shop-1.json` and `SHOP-1.json` are the same name."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def _folded(self, path: Path) -> Path:
        return self.root / Path(str(path.relative_to(self.root)).lower())

    def open(self, path: Path, flags: int) -> int:
        return super().open(self._folded(path), flags)

    def read(self, path: Path) -> bytes:
        return super().read(self._folded(path))

    def rename(self, source: Path, target: Path) -> None:
        super().rename(self._folded(source), self._folded(target))

    def remove(self, path: Path) -> None:
        super().remove(self._folded(path))


def test_each_kind_has_its_own_state_and_dead_letters(sdk: Any, source: Source, target: Target, tmp_path: Path) -> None:
    foreign = datastore.Key("X", 1, project="elsewhere")
    put(sdk, [entity(sdk, kind, number + 1, kind=kind) for kind in KINDS for number in range(4)])
    put(sdk, [entity(sdk, kind, "bad", to=foreign) for kind in KINDS])
    store = LocalStore(tmp_path, FoldingFiles(tmp_path))
    planned = plan(source, target)
    stop = Stop()
    options: dict[str, Any] = {"state": store, "workers": 1, "page": 2, "source": source, "target": target}

    def stop_halfway(progress: Progress) -> None:
        if progress.done >= 8:
            stop.request()

    with pytest.raises(JobStoppedError):
        copy(planned, **options, stop=stop, on_progress=stop_halfway)
    result = copy(planned, **options)
    assert (12, 3) == (result.copied, result.dead)
    assert 3 == len(store.list("state/"))
    assert {f"{kind}/bad" for kind in KINDS} == {each.path for each in DeadLetters.read(store).values()}
    assert verify(planned, state=store, source=source, target=target).ok
    assert 12 == check_equal(planned, source, target)
    for kind in KINDS:
        put(sdk, [entity(sdk, kind, "bad", to=None)])
    assert 3 == retry_dead(planned, state=store, source=source, target=target).done
    assert {} == DeadLetters.read(store)
