"""Compare both sides: into buckets by digest, and document by document where buckets differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from os import PathLike
from typing import Any

from cendry.jobs import DeadLetters, Progress, Store, Tracker, open_store, write_json

from .candidates import Candidate, Candidates
from .checks import opened
from .comparing import PartReader, baselines, collections
from .digest import Digest, is_in_sample
from .models import ModelSample
from .paging import key_bytes
from .reports import VERIFY_FILE, Proof
from .source import Source
from .target import Target
from .translate import UntranslatableError
from .values import Plan


def verify(
    plan: Plan,
    *,
    state: str | PathLike[str] | Store,
    sample: float | None = None,
    on_progress: Callable[[Progress], object] | None = None,
    source: Source | None = None,
    target: Target | None = None,
    models: Sequence[type[Any]] = (),
    ttl: Mapping[str, str] | None = None,
) -> Proof:
    """Compare all entities of a migration with the documents that they are to be.

    Both sides are read at one moment. Documents are compared by digests, in 4,096 buckets; those in buckets that differ
    are read again and compared one by one. Of each kind that has a model, some are read through the model on both
    sides as well. The proof is written to `verify.json`.

    Args:
        plan: The plan.
        state: The directory or store of the migration.
        sample: The share of the entities that are compared, over 0 and at most 1; `None` for all. A sample reads only
            the keys of the others, and finds no extra documents.
        on_progress: Called after each page.
        source: The source; `None` for that of the plan.
        target: The target; `None` for that of the plan.
        models: Models of the kinds.
        ttl: For kinds with a TTL policy in the target the field of the moment; documents that are missing after it are
            counted as `expired`.

    Returns:
        The proof. It names the first 100 differences, with the paths of the fields, and has no values.

    Raises:
        ValueError: The share is not over 0 and at most 1.
        OtherPlaceError: The source or the target is not that of the plan.
        MomentExpiredError: The comparison takes longer than the database keeps a moment.
        DatabaseCallError: A database can't be read.
        JobFileError: The state belongs to another plan.
    """
    if sample is not None and not 0 < sample <= 1:
        raise ValueError(f"sample= is a share over 0 and at most 1, not {sample!r}.")
    store = open_store(state)
    with opened(plan, source, target) as (source, target):
        comparison = _Comparison(plan, store, source, target, models, ttl or {}, on_progress)
        proof = comparison.all_documents() if sample is None else comparison.some_documents(sample)
    write_json(store, VERIFY_FILE, proof.to_json(), indent=1)
    return proof


class _Comparison:
    """Reads both sides at one moment.

    Args:
        plan: The plan.
        store: The state of the migration.
        source: The source.
        target: The target.
        models: Models of the kinds.
        ttl: The fields of TTL policies, by kind.
        on_progress: Called after each page.
    """

    def __init__(
        self,
        plan: Plan,
        store: Store,
        source: Source,
        target: Target,
        models: Sequence[type[Any]],
        ttl: Mapping[str, str],
        on_progress: Callable[[Progress], object] | None,
    ) -> None:
        self._plan = plan
        self._source = source
        self._target = target
        self._baselines = baselines(plan, store)
        self._moment = source.now()
        self._reader = PartReader(plan, source, target, self._moment)
        self._translator = self._reader.translator
        dead = DeadLetters.read(store)
        self._candidates = Candidates(source, target, self._translator, dead, ttl, self._moment)
        self._models = ModelSample(plan, source, target, models)
        self._tracker = Tracker("verify", plan.count * 2)
        self._on_progress = on_progress

    def all_documents(self) -> Proof:
        """Compare all documents."""
        source, target = Digest(), Digest()
        untranslatable = 0
        for shard in self._plan.shards:
            untranslatable += self._reader.add_source(source, shard, self._note, self._offer)
        for part in collections(self._plan, self._translator):
            self._reader.add_target(target, part, self._note)
        buckets = source.differing(target)
        if buckets:
            self._note_all(self._candidates.sort(self._differing(buckets)))
        counts = self._counts()
        counts["dead"] += untranslatable
        return self._proof(source.count + untranslatable, target.count, counts)

    def some_documents(self, share: float) -> Proof:
        """Compare a sample."""
        candidates, nameless = self._candidates, 0

        def sampled() -> Iterator[Candidate]:
            nonlocal nameless
            for kind in self._plan.kinds:
                for shard in kind.shards:
                    for page in self._source.pages(shard, read_time=self._moment, keys_only=True):
                        for result in page.results:
                            key = result.entity.key
                            try:
                                name = self._translator.name(key)
                            except UntranslatableError:
                                nameless += is_in_sample(key_bytes(key).hex(), share)
                                continue
                            if is_in_sample(name, share):
                                self._offer(key, name)
                                yield Candidate(name, key_bytes(key), self._baselines[shard.name])

        self._note_all(candidates.sort(sampled()))
        counts = self._counts()
        counts["dead"] += nameless
        return self._proof(candidates.entities + nameless, candidates.documents, counts, share)

    # --- both sides ---

    def _differing(self, buckets: frozenset[int]) -> Iterator[Candidate]:
        """What differs in some buckets; both sides are read once more."""
        expected: dict[str, Candidate] = {}
        for shard in self._plan.shards:
            for one in self._reader.expected(shard, buckets, self._baselines[shard.name], self._note):
                expected[one.name] = one
        for part in collections(self._plan, self._translator):
            for name, digest in self._reader.found(part, buckets, self._note):
                candidate = expected.pop(name, None)
                if candidate is None:
                    yield self._reader.unexpected(name, max(self._baselines.values()))
                elif candidate.digest != digest:
                    yield candidate
        yield from expected.values()

    def _offer(self, key: Any, name: str) -> None:
        self._models.offer(key.path[-1].kind, name, self._translator.path(name))

    # --- the proof ---

    def _counts(self) -> dict[str, int]:
        candidates = self._candidates
        known = {self._translator.path(name) for name in candidates.names}
        for path, fields in self._models.differences(self._moment, known):
            candidates.note(self._translator.full_name(path), "different", fields)
        return {str(name): count for name, count in candidates.counts.items()}

    def _proof(self, source: int, target: int, counts: Mapping[str, int], share: float | None = None) -> Proof:
        return Proof(
            source,
            target,
            **counts,
            differences=tuple(self._candidates.differences),
            plan=self._plan.hash,
            source_time=self._moment,
            target_time=self._moment,
            sample=share,
        )

    def _note_all(self, groups: Iterator[int]) -> None:
        for count in groups:
            self._note(count)

    def _note(self, count: int) -> None:
        self._tracker.note(count)
        if self._on_progress is not None:
            self._on_progress(self._tracker.progress())
