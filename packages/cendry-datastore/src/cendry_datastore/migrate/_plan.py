"""What is decided before anything is copied: kinds, shards, transforms, the moment to read at. It only reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from datetime import datetime
from importlib.metadata import version
from typing import Final

from cendry._immutable import dataclass
from cendry.errors import InvalidDocumentIdError, JobError
from cendry.indexes import Indexes, from_datastore
from cendry.jobs import Progress, Tracker
from cendry.paths import check_collection_id

from .._keys import key_path
from ._validate import check_aliases
from .admin import DatabaseFacts
from .checks import check_sides
from .choices import Decision, Observer, asked_by
from .cut import SCATTER_PER_SHARD, SHARD_SIZE, cut_sample, cut_walk, shard_count, shards_of
from .estimates import Estimate, Prices, estimate
from .indexing import Composites, IndexScan, KindIndexes, Layout, composites_of, target_indexes
from .reports import TrapReport
from .source import Source
from .target import Target
from .traps import TrapScan
from .values import Foreign, KindPlan, Plan, Shard, Transforms, new_id

RAW: Final = Transforms.raw()


class UnclearCollectionError(JobError):
    """A kind can't become a collection, or two of them would become the same one; nothing was planned."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A plan, and what people want to know before they follow it.

    Attributes:
        plan: The plan.
        decisions: What was decided about transforms, those included that are not made.
        foreign: Keys into other databases, and where they are.
        exempt: The field paths that no entity has in an index, by collection.
        composites: The composite indexes that take the place of the source's; `None` if these were not given.
        namespaces: Other namespaces of the database, which are not copied; `None` if it doesn't list them.
        estimate: What the copy will take.
        recovers: Whether the source has point-in-time recovery; `None` if that is not known.
    """

    plan: Plan
    decisions: tuple[Decision, ...]
    foreign: tuple[TrapReport, ...]
    exempt: Mapping[str, tuple[str, ...]] = field(hash=False)
    composites: Composites | None
    namespaces: tuple[str, ...] | None
    estimate: Estimate
    recovers: bool | None

    @property
    def indexes(self) -> Indexes:
        """The indexes to create in the target, before the application uses it."""
        return target_indexes(self.composites, self.exempt)


def plan(
    source: Source,
    target: Target,
    *,
    kinds: Sequence[str] | None = None,
    transforms: Transforms = RAW,
    foreign: Foreign = "refuse",
    allow_mixed: bool = False,
    assume_modes: bool = False,
    on_progress: Callable[[Progress], object] | None = None,
) -> Plan:
    """Decide on a migration: read the source once, and write nothing.

    Args:
        source: The database in Datastore mode.
        target: The database in Native mode.
        kinds: The kinds to copy; by default all but those that Datastore uses itself.
        transforms: What becomes of values: `Transforms.raw()` keeps them, `Transforms.ndb(Account, Shop)` gives what
            ndb stores the form that the models have.
        foreign: What becomes of keys into other databases: dead letters (`refuse`), references into the target
            (`rewrite`), or text (`string`).
        allow_mixed: Whether one side may be an emulator and the other one not.
        assume_modes: Whether the modes of the databases are right if they can't be asked for.
        on_progress: Called with a `Progress` after each page.

    Raises:
        WrongModeError: A database is in the wrong mode.
        UnknownModeError: The mode of a database can't be asked for.
        MixedEmulatorsError: One side is an emulator, and the other one is not.
        UnclearCollectionError: A kind can't be a collection, or two of them would be the same one.
        DottedAliasError: A model names parts of what ndb stores in parts.
    """
    return draft(
        source,
        target,
        kinds=kinds,
        transforms=transforms,
        foreign=foreign,
        allow_mixed=allow_mixed,
        assume_modes=assume_modes,
        on_progress=on_progress,
    ).plan


def draft(
    source: Source,
    target: Target,
    *,
    kinds: Sequence[str] | None = None,
    transforms: Transforms = RAW,
    foreign: Foreign = "refuse",
    allow_mixed: bool = False,
    assume_modes: bool = False,
    prices: Prices | None = None,
    index_yaml: str | None = None,
    on_progress: Callable[[Progress], object] | None = None,
) -> Draft:
    """Decide on a migration, with all that people want to know before they follow it; as `plan`.

    Args:
        source: As in `plan`.
        target: As in `plan`.
        kinds: As in `plan`.
        transforms: As in `plan`.
        foreign: As in `plan`.
        allow_mixed: As in `plan`.
        assume_modes: As in `plan`.
        prices: Your prices, for the estimate.
        index_yaml: The text of the source's `index.yaml`.
        on_progress: As in `plan`.

    Raises:
        ValueError: The text is not of the form of such files.
    """
    if index_yaml is not None:
        # Before entities are read.
        from_datastore(index_yaml)
    check_sides(source, target, allow_mixed=allow_mixed, assume_modes=assume_modes)
    facts = source.facts()
    if transforms.mode == "ndb":
        check_aliases(transforms.models)
    moment = moment_of(source, facts)
    found = list(kinds) if kinds is not None else source.kinds()
    collections = collections_of(found, transforms.renames)
    namespaces = source.namespaces()
    _check_namespaces(source, found, transforms.renames, namespaces)
    asked = asked_by(transforms.models) if transforms.mode == "ndb" else ()
    plans: list[KindPlan] = []
    decisions: list[Decision] = []
    traps: list[TrapReport] = []
    exempt: dict[str, tuple[str, ...]] = {}
    known: dict[str, KindIndexes] = {}
    counts = {kind: source.count(kind, moment) for kind in found}
    tracker = Tracker("plan", sum(counts.values()))
    number = 0
    for kind in found:
        observer = Observer(kind, asked)
        trap_scan, index_scan = TrapScan(kind, source.partition), IndexScan()
        for page in source.pages(Shard(kind, 0), read_time=moment):
            for result in page.results:
                trap_scan.see(result.entity)
                index_scan.see(result.entity)
                if transforms.mode == "ndb":
                    observer.see(result.entity)
            tracker.note(len(page.results))
            if on_progress is not None:
                on_progress(tracker.progress())
        made = observer.decide() if transforms.mode == "ndb" else ()
        decisions += made
        traps += [trap for trap in trap_scan.report() if trap.name.startswith("key into")]
        collection = collections[kind]
        layout = Layout(one.transform for one in made if one.is_made)
        if paths := index_scan.exempt(layout):
            exempt[collection] = paths
        known[kind] = KindIndexes(collection, layout, index_scan)
        shards = _cut(source, kind, counts[kind], moment, number)
        number += len(shards)
        plans.append(KindPlan(kind, collection, counts[kind], shards, not target.has_documents(collection)))
    decided = Plan(
        id=new_id(),
        source=source.place,
        target=target.place,
        read_time=moment,
        mode=transforms.mode,
        transforms=tuple(one.transform for one in decisions if one.is_made),
        kinds=tuple(plans),
        foreign=foreign,
        tool=version("cendry-datastore"),
    )
    others = None if namespaces is None else tuple(each for each in namespaces if each != source.place.namespace)
    taken = estimate(decided.count, prices=prices)
    composites = None if index_yaml is None else composites_of(index_yaml, known)
    return Draft(decided, tuple(decisions), tuple(traps), exempt, composites, others, taken, facts.recovers)


def renew(planned: Plan, source: Source) -> Plan:
    """The same plan for a new moment: shards that are complete stay, the others are read at that moment.

    Args:
        planned: The plan, whose moment has expired.
        source: The database.
    """
    return planned.renew(moment_of(source, source.facts()))


def moment_of(source: Source, facts: DatabaseFacts) -> datetime:
    """The moment to read at: that of the source, or the present; the last whole minute with point-in-time recovery."""
    moment = source.read_time or source.now()
    return moment.replace(second=0, microsecond=0) if facts.recovers else moment


def collections_of(kinds: Iterable[str], renames: Mapping[str, str]) -> dict[str, str]:
    """The collection of each kind.

    Raises:
        UnclearCollectionError: A kind can't be one, two kinds would be the same one, or a kind that isn't copied is
            renamed.
    """
    found: dict[str, str] = {}
    by_collection: dict[str, str] = {}
    for kind in kinds:
        collection = renames.get(kind, kind)
        try:
            check_collection_id(collection)
        except InvalidDocumentIdError as error:
            raise UnclearCollectionError(
                f"Kind {kind!r} can't become a collection: {error.reason}. Give it another name: --rename "
                f"{kind}=NAME (Transforms.rename)."
            ) from error
        if collection in by_collection:
            raise UnclearCollectionError(
                f"{by_collection[collection]} and {kind} would become the same collection {collection!r}."
            )
        by_collection[collection] = kind
        found[kind] = collection
    if absent := [kind for kind in renames if kind not in found]:
        raise UnclearCollectionError(f"There is no kind {absent[0]!r} to rename; there are: {', '.join(found)}.")
    return found


def _check_namespaces(
    source: Source, kinds: Iterable[str], renames: Mapping[str, str], namespaces: Sequence[str] | None
) -> None:
    """Refuse to give the entities of a namespace the names that those of another one have, or will have."""
    here = source.place
    if not here.namespace:
        return
    kept = [kind for kind in kinds if kind not in renames]
    for other in [""] if namespaces is None else namespaces:
        if other == here.namespace or not kept:
            continue
        with Source(project=here.project, database=here.database, namespace=other) as beside:
            both = sorted(set(beside.kinds()).intersection(kept))
        if both:
            kind = both[0]
            shown = f"{other}/{kind}" if other else kind
            example = key_path(next(iter(source.keys(kind))), source.partition)
            raise UnclearCollectionError(
                f"{here.namespace}/{kind} and {shown} would become the same documents (example {example}): give "
                "--namespace-as prefix"
            )


def _cut(source: Source, kind: str, count: int, moment: datetime, first: int) -> tuple[Shard, ...]:
    wanted = shard_count(count)
    if wanted == 1:
        return shards_of(kind, [], first)
    sample = source.scatter(kind, wanted * SCATTER_PER_SHARD)
    if len(sample) >= wanted:
        return shards_of(kind, cut_sample(sample, wanted), first)
    cuts, _ = cut_walk(source.keys(kind, moment), SHARD_SIZE)
    return shards_of(kind, cuts, first)


def transforms_text(decisions: Iterable[Decision]) -> Iterator[str]:
    """`Shop.address nest`, `Shop.bio inflate (largest after: 310 KB)`, for people."""
    for one in decisions:
        name = f"{one.transform.kind}.{one.transform.field} {one.transform.do}"
        if not one.is_made:
            yield f"{name}: kept as stored, {one.kept}"
        else:
            yield f"{name} (largest after: {-(-one.largest // 1_000):,} KB)" if one.largest else name
