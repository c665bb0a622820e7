"""The comparison as a transform: digests of parts of both sides, then one by one what is in buckets that differ."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias

import apache_beam as beam
from apache_beam.metrics import Metrics
from cendry._immutable import dataclass, replace
from cendry.jobs import DeadLetter, DeadLetters, write_json

from ..candidates import MOST_DIFFERENCES, Candidate, Candidates
from ..checks import check_places
from ..comparing import PartReader, Range, baselines, ranges
from ..digest import Digest
from ..messages import translator_of
from ..reports import VERIFY_FILE, Difference, Proof
from ..source import PAGE
from ..values import Plan, Shard
from .jobs import NAMESPACE, Job, SidesDoFn, job_of, packed, unpacked

_GROUP = 300
"""Documents that are read anew together."""

Buckets: TypeAlias = "frozenset[int]"


@dataclass(frozen=True, slots=True)
class Part:
    """A part of one side.

    Attributes:
        moment: When both sides are read.
        where: Which part; `None` so that a plan without any has an end as well.
        copied: When the copy has read it; of a part of the target, when it has read the last shard.
    """

    moment: datetime
    where: Shard | Range | None
    copied: datetime


@dataclass(frozen=True, slots=True)
class Sums:
    """The digests of parts.

    Attributes:
        moment: When both sides were read; `None` for no part.
        source: What the target is to have.
        target: What it has.
        untranslatable: How many entities can't be documents.
    """

    moment: datetime | None
    source: Digest
    target: Digest
    untranslatable: int = 0

    @property
    def buckets(self) -> Buckets:
        """The buckets that differ."""
        return self.source.differing(self.target)


@dataclass(frozen=True, slots=True)
class Sorted:
    """What documents are that seemed to differ.

    Attributes:
        counts: How many there are of each sort.
        differences: Some of them.
    """

    counts: Mapping[str, int]
    differences: tuple[Difference, ...] = ()


class VerifyShards(beam.PTransform):  # type: ignore[misc]  # Beam has no types.
    """Compares all entities with the documents that they are to be: `pipeline | VerifyShards(plan, state="gs://b/m")`.

    It does what `verify` does, without models and samples, on many machines. Applied to what `CopyShards` gives, it
    begins when the copy has ended. Gives one `Proof`, which is written to `verify.json` as well. A counter of the
    namespace `cendry`: `compared`, entities and documents that were read.

    Args:
        plan: The plan.
        state: Where the state of the migration is: `gs://bucket/folder`, or a directory that all workers reach.
        ttl: For kinds with a TTL policy in the target the field of the moment; documents that are missing after it are
            counted as `expired`.

    Raises:
        TypeError: The plan is none, or the state has no path.
        ValueError: The state can't be there.
    """

    def __init__(self, plan: Plan, *, state: str | os.PathLike[str], ttl: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self._job = job_of(plan, state, PAGE)
        self._plan = packed(plan)
        self._ttl = dict(ttl or {})

    def expand(self, begin: Any) -> Any:
        """Add the steps to a pipeline, or to what must be done before them."""
        job, plan = self._job, self._plan
        if isinstance(begin, beam.PCollection):
            first = begin.pipeline | "Begin" >> beam.Create([None])
            first = first | "Wait" >> beam.Map(_first, beam.pvalue.AsList(begin))
        else:
            first = begin | "Begin" >> beam.Create([None])
        # The moment is kept: a step that runs again reads at the same.
        parts = first | "Cut" >> beam.ParDo(_Cut(job, plan)) | "Spread" >> beam.Reshuffle()
        digests = parts | "Digest" >> beam.ParDo(_DigestPart(job, plan))
        sums = digests | "Sum up digests" >> beam.CombineGlobally(_AddSums())
        found = (
            parts
            | "Look closer" >> beam.ParDo(_LookCloser(job, plan), beam.pvalue.AsSingleton(sums))
            | "Pair" >> beam.GroupByKey()
            | "Match" >> beam.ParDo(_Match(job, plan))
            | "Group" >> beam.BatchElements(min_batch_size=1, max_batch_size=_GROUP)
            | "Read anew" >> beam.ParDo(_ReadAnew(job, plan, self._ttl), beam.pvalue.AsSingleton(sums))
            | "Sum up" >> beam.CombineGlobally(_add_sorted)
        )
        return sums | "Prove" >> beam.ParDo(_Prove(job, plan), beam.pvalue.AsSingleton(found))


def _first(one: None, after: Sequence[object]) -> None:
    """What begins when something else has ended."""


class _PlanDoFn(SidesDoFn):
    """A step that knows the plan, and has both sides open."""

    def __init__(self, job: Job, plan: bytes) -> None:
        super().__init__(job)
        self._packed = plan
        self._reader: tuple[datetime, PartReader] | None = None

    def setup(self) -> None:
        super().setup()
        self.plan = unpacked(self._packed)
        self.compared = Metrics.counter(NAMESPACE, "compared")

    def reader(self, moment: datetime) -> PartReader:
        """What reads both sides at a moment."""
        if self._reader is None or self._reader[0] != moment:
            self._reader = (moment, PartReader(self.plan, self.source, self.target, moment))
        return self._reader[1]


class _Cut(_PlanDoFn):
    """Checks all that `verify` checks, chooses the moment, and gives out the parts."""

    def process(self, _: None) -> Iterator[Part]:
        """Begin."""
        check_places(self.plan, self.source, self.target)
        copied = baselines(self.plan, self.store)
        moment = self.source.now()
        latest = max(copied.values(), default=moment)
        yield Part(moment, None, moment)
        for shard in self.plan.shards:
            yield Part(moment, shard, copied[shard.name])
        for part in ranges(self.plan, translator_of(self.plan, self.source.partition)):
            yield Part(moment, part, latest)


class _DigestPart(_PlanDoFn):
    """Makes the digest of a part."""

    def process(self, part: Part) -> Iterator[Sums]:
        """Read a part."""
        source, target, untranslatable = Digest(), Digest(), 0
        if isinstance(part.where, Shard):
            untranslatable = self.reader(part.moment).add_source(source, part.where, self.compared.inc)
        elif part.where is not None:
            self.reader(part.moment).add_target(target, part.where, self.compared.inc)
        yield Sums(part.moment, source, target, untranslatable)


class _AddSums(beam.CombineFn):  # type: ignore[misc]  # Beam has no types.
    """Adds digests."""

    def create_accumulator(self) -> Sums:
        """No part."""
        return Sums(None, Digest(), Digest())

    def add_input(self, mutable_accumulator: Sums, element: Sums) -> Sums:
        """Add a part."""
        mutable_accumulator.source.merge(element.source)
        mutable_accumulator.target.merge(element.target)
        return replace(
            mutable_accumulator,
            moment=element.moment or mutable_accumulator.moment,
            untranslatable=mutable_accumulator.untranslatable + element.untranslatable,
        )

    def merge_accumulators(self, accumulators: Iterable[Sums]) -> Sums:
        """Add what was added elsewhere."""
        total = self.create_accumulator()
        for one in accumulators:
            total = self.add_input(total, one)
        return total

    def extract_output(self, accumulator: Sums) -> Sums:
        """The digests of all parts."""
        return accumulator


class _LookCloser(_PlanDoFn):
    """Reads once more what is in buckets that differ: by name what a document is to be, and what it is."""

    def process(self, part: Part, sums: Sums) -> Iterator[tuple[str, Candidate | tuple[bytes, datetime]]]:
        """Read a part."""
        buckets = sums.buckets
        if not buckets or part.where is None:
            return
        reader = self.reader(part.moment)
        if isinstance(part.where, Shard):
            for one in reader.expected(part.where, buckets, part.copied, self.compared.inc):
                yield one.name, one
        else:
            for name, digest in reader.found(part.where, buckets, self.compared.inc):
                yield name, (digest, part.copied)


class _Match(_PlanDoFn):
    """Leaves out what is equal."""

    def process(self, pair: tuple[str, Iterable[Candidate | tuple[bytes, datetime]]]) -> Iterator[Candidate]:
        """Compare what a document is to be with what it is."""
        name, both = pair
        expected: Candidate | None = None
        found: tuple[bytes, datetime] | None = None
        for one in both:
            if isinstance(one, Candidate):
                expected = one
            else:
                found = one
        if expected is None and found is not None:
            yield self.reader(found[1]).unexpected(name, found[1])
        elif expected is not None and (found is None or found[0] != expected.digest):
            yield expected


class _ReadAnew(_PlanDoFn):
    """Says what documents are that seem to differ."""

    def __init__(self, job: Job, plan: bytes, ttl: Mapping[str, str]) -> None:
        super().__init__(job, plan)
        self._ttl = ttl
        self._dead: dict[str, DeadLetter] | None = None

    def process(self, group: Sequence[Candidate], sums: Sums) -> Iterator[Sorted]:
        """Read some documents on both sides."""
        assert sums.moment is not None
        translator = self.reader(sums.moment).translator
        if self._dead is None:
            self._dead = DeadLetters.read(self.store)
        candidates = Candidates(self.source, self.target, translator, self._dead, self._ttl, sums.moment)
        for count in candidates.sort(group):
            self.compared.inc(count)
        yield Sorted({str(name): count for name, count in candidates.counts.items()}, tuple(candidates.differences))


def _add_sorted(groups: Iterable[Sorted]) -> Sorted:
    counts: Counter[str] = Counter()
    differences: list[Difference] = []
    for one in groups:
        counts.update(one.counts)
        differences += one.differences
    differences.sort(key=lambda one: one.path)
    return Sorted(dict(counts), tuple(differences[:MOST_DIFFERENCES]))


class _Prove(_PlanDoFn):
    """Writes the proof."""

    def process(self, sums: Sums, found: Sorted) -> Iterator[Proof]:
        """End."""
        counts = dict.fromkeys(("missing", "extra", "different", "changed", "dead", "expired"), 0) | dict(found.counts)
        counts["dead"] += sums.untranslatable
        proof = Proof(
            sums.source.count + sums.untranslatable,
            sums.target.count,
            **counts,
            differences=found.differences,
            plan=self.plan.hash,
            source_time=sums.moment,
            target_time=sums.moment,
        )
        write_json(self.store, VERIFY_FILE, proof.to_json(), indent=1)
        yield proof
