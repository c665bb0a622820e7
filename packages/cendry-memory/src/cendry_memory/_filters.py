"""Filters: what they match, and in which ranges of sorted keys that can be found. Refuses what Firestore refuses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal, Union

from cendry._order import AFTER_ALL, NAN, NULL, key_of, path_key
from cendry.errors import InvalidRequestError
from cendry.paths import DOCUMENT_ID, FieldPath
from cendry.plan import MISSING, Condition, Operator, Where, check_elements, is_inequality, value_at
from cendry.reference import Ref

from ._indexes import NAME, Segments, Version
from ._values import kind_of, referred_path, taken_as_operand

MAX_FILTERS: Final = 100
"""Filters, orders and an ancestor together (https://firebase.google.com/docs/firestore/query-data/queries#limits)."""
MAX_DISJUNCTIONS: Final = 30
MAX_INEQUALITY_FIELDS: Final = 10
MAX_OPERAND_BYTES: Final = 1500
_MAX_VALUES: Final = {"in": 30, "array-contains-any": 30, "not-in": 10}

_COMPLEMENTS: Final = frozenset({"!=", "not-in", "is-not-null", "is-not-nan"})
_DISJUNCTIVE: Final = frozenset({"in", "array-contains-any"})
_MULTIPLE: Final = frozenset({"in", "array-contains", "array-contains-any"})
_SINGLE: Final[dict[Operator, Operator]] = {"in": "=="}
_ONE_SIDED: Final = frozenset({"<", "<=", ">", ">="})
_PINNING: Final = frozenset({"==", "in", "is-null", "is-nan", "array-contains", "array-contains-any"})
_UNARY: Final = frozenset({"is-null", "is-not-null", "is-nan", "is-not-nan"})

Atom = tuple[Segments, Operator, Any]

Range = tuple[bytes, bytes]
"""Keys from the first up to, but without, the second."""

Kind = Literal["value", "element", "name"]

_AFTER_NULL: Final = NULL + AFTER_ALL
_AFTER_NAN: Final = NAN + AFTER_ALL
_EMPTY: Final[tuple[Range, ...]] = ()


class Leaf:
    """One condition: a field's key lies in one of some ranges.

    Attributes:
        segments: The field, or `NAME`.
        op: The operator, `== null` and its like already given as unary ones.
        kind: Whether the value, the elements of an array, or the name is looked at.
        ranges: Sorted, and apart from each other.
        is_inequality: Whether Firestore sorts by the field as well.
        atoms: What distinguishes conditions where Firestore counts them; one for each value of `in`.
    """

    __slots__ = ("atoms", "is_inequality", "kind", "op", "path", "ranges", "segments")

    def __init__(self, path: FieldPath, op: Operator, value: Any) -> None:
        self.path = path
        is_name = path == DOCUMENT_ID
        self.segments: Segments = NAME if is_name else checked_field(path).segments
        if op in ("==", "!=") and not is_name and (value is None or value != value):
            unary = {"==": ("is-null", "is-nan"), "!=": ("is-not-null", "is-not-nan")}[op]
            op = unary[value is not None]  # type: ignore[assignment]
        self.op: Operator = op
        self.kind: Kind = "value"
        if is_name:
            self.kind = "name"
        elif op in ("array-contains", "array-contains-any"):
            self.kind = "element"
        values = _listed(op, value) if op in _MAX_VALUES else [value]
        if op in _UNARY and self.kind == "name":
            raise InvalidRequestError(f"{op} can't be used on the document id.")
        keys = [] if op in _UNARY else [self._key(each) for each in values]
        self.ranges = _ranges(op, keys, b"" if self.kind == "name" else _AFTER_NULL)
        self.is_inequality = is_inequality(op, value)
        single = _SINGLE.get(op, op)
        self.atoms: frozenset[Atom] = frozenset([(self.segments, single, _identity(each)) for each in values])

    @property
    def is_pinning(self) -> bool:
        """Whether each range is one value alone, whose key is where it begins."""
        return self.op in _PINNING

    def _key(self, value: Any) -> bytes:
        if self.kind == "name":
            if self.op in ("array-contains", "array-contains-any"):
                raise InvalidRequestError(f"{self.op} can't be used on the document id.")
            return _name_key(value)
        value, size = taken_as_operand(value)
        if size > MAX_OPERAND_BYTES:
            raise InvalidRequestError(
                f"the value that {self.path} is compared with has {size} bytes, and the limit is {MAX_OPERAND_BYTES}."
            )
        return key_of(value)

    def matches_key(self, key: bytes) -> bool:
        """Whether a key lies in one of the ranges."""
        return any(low <= key < high for low, high in self.ranges)

    def matches(self, version: Version, name_key: bytes) -> bool:
        """Whether a state of a document fulfils the condition."""
        if self.kind == "name":
            return self.matches_key(name_key)
        value = value_at(version.data, self.segments)
        if value is MISSING:
            return False
        if self.kind == "value":
            return self.matches_key(key_of(value))
        return kind_of(value) is list and any(self.matches_key(key_of(element)) for element in value)


class Junction:
    """Conditions under one AND or OR, flattened, without repetitions; at least one."""

    __slots__ = ("is_or", "parts")

    def __init__(self, is_or: bool, parts: list[Node]) -> None:
        self.is_or = is_or
        self.parts = parts

    def matches(self, version: Version, name_key: bytes) -> bool:
        """Whether a state of a document fulfils them."""
        if self.is_or:
            return any(part.matches(version, name_key) for part in self.parts)
        return all(part.matches(version, name_key) for part in self.parts)


Node = Union[Leaf, Junction]


def checked_field(path: FieldPath) -> FieldPath:
    """Give back a path that Firestore takes.

    Raises:
        InvalidRequestError: It has 1,500 bytes or more.
    """
    segments = path.segments
    if sum(map(len, segments)) > 300 and len(".".join(segments).encode()) >= MAX_OPERAND_BYTES:
        raise InvalidRequestError(f"a field path has {MAX_OPERAND_BYTES} bytes or more.")
    return path


def _name_key(value: Any) -> bytes:
    if kind_of(value) is not Ref:
        raise InvalidRequestError(f"a document id is compared with references, not with {value!r}.")
    return path_key(referred_path(value))


def _listed(op: Operator, values: Any) -> list[Any]:
    if kind_of(values) not in (list, tuple):
        raise InvalidRequestError(f"{op} takes a list of values, not {values!r}.")
    given: list[Any] = list(values)
    if not given:
        raise InvalidRequestError(f"{op} takes at least one value.")
    if len(given) > _MAX_VALUES[op]:
        raise InvalidRequestError(f"{op} takes at most {_MAX_VALUES[op]} values, not {len(given)}.")
    return given


def _identity(value: Any) -> Any:
    """What distinguishes a value: 1 is not 1.0 where Firestore counts, though they match the same."""
    return repr(value) if kind_of(value) in (list, dict, float) else (kind_of(value), value)


def _ranges(op: Operator, keys: list[bytes], least: bytes) -> tuple[Range, ...]:
    """The ranges of keys that fulfil a condition; `least` is where keys begin that are not null."""
    # A comparison with null or NaN holds for nothing; `is-null` and `is-nan` are there for them.
    known = sorted({key for key in keys if key not in (NULL, NAN)})
    if op in _ONE_SIDED:
        return _inequality(op, known)
    match op:
        case "==" | "in" | "array-contains" | "array-contains-any":
            return tuple((key, key + AFTER_ALL) for key in known)
        case "is-null":
            return ((NULL, _AFTER_NULL),)
        case "is-nan":
            return ((NAN, _AFTER_NAN),)
        case "is-not-null":
            return ((least, AFTER_ALL),)
        case "is-not-nan":
            return ((least, NAN), (_AFTER_NAN, AFTER_ALL))
        case _:
            if NULL in keys:
                return _EMPTY
            lows = [least, *(key + AFTER_ALL for key in known)]
            return tuple(zip(lows, [*known, AFTER_ALL], strict=True))


def _inequality(op: Operator, known: list[bytes]) -> tuple[Range, ...]:
    if not known:
        return _EMPTY
    [key] = known
    # Infinity, and bytes of 255, begin as nothing else does: only the next type's byte comes after all of a type.
    if op in ("<", "<="):
        return ((key[:1], key if op == "<" else key + AFTER_ALL),)
    return ((key if op == ">=" else key + AFTER_ALL, bytes([key[0] + 1])),)


# --- from a plan's filter to a tree that was held against Firestore's limits ---


def tree_of(where: Where | None) -> Node | None:
    """The filter of a plan as a tree: nested composites of one kind are one, repeated conditions are one.

    Raises:
        InvalidRequestError: Firestore refuses the filter.
    """
    if where is None:
        return None
    given: list[Leaf] = []
    tree = _simplified(where, given)
    _check(tree, given)
    if any(leaf.kind == "element" for leaf in given):
        check_elements(where)
        if _arrays(where, iter(given))[0] > 1:
            raise InvalidRequestError("only one of array-contains and array-contains-any can stand in one disjunction.")
    return tree


def _simplified(where: Where, given: list[Leaf]) -> Node:
    if isinstance(where, Condition):
        leaf = Leaf(where.path, where.op, where.value)
        given.append(leaf)
        return leaf
    is_or = where.op == "OR"
    parts: dict[Any, Node] = {}
    for condition in where.conditions:
        node = _simplified(condition, given)
        inner = node.parts if isinstance(node, Junction) and node.is_or is is_or else [node]
        for part in inner:
            parts.setdefault(_signature(part), part)
    return Junction(is_or, list(parts.values())) if len(parts) > 1 else next(iter(parts.values()))


def _signature(node: Node) -> Any:
    if isinstance(node, Leaf):
        return node.atoms
    return node.is_or, frozenset(map(_signature, node.parts))


def leaves_of(node: Node | None) -> list[Leaf]:
    """All conditions of a tree, from left to right."""
    if node is None:
        return []
    if isinstance(node, Leaf):
        return [node]
    leaves: list[Leaf] = []
    for part in node.parts:
        leaves += [part] if isinstance(part, Leaf) else leaves_of(part)
    return leaves


def _check(tree: Node, leaves: list[Leaf]) -> None:
    # Here repetitions count: Firestore looks at this before it simplifies.
    complements = [leaf for leaf in leaves if leaf.op in _COMPLEMENTS]
    if len(complements) > 1:
        raise InvalidRequestError("a query takes only one of !=, not-in, is-not-null and is-not-nan.")
    if complements and complements[0].op == "not-in":
        others = any(leaf.op in _DISJUNCTIVE for leaf in leaves)
        if others or _has_or(tree):
            raise InvalidRequestError("not-in can't be combined with in, array-contains-any or OR in one query.")
    fields = {leaf.segments for leaf in leaves if leaf.is_inequality}
    if len(fields) > MAX_INEQUALITY_FIELDS:
        raise InvalidRequestError(
            f"a query compares at most {MAX_INEQUALITY_FIELDS} fields by inequality, not {len(fields)}."
        )
    if fields and NAME not in fields and any(_fixes_name(leaf) for leaf in leaves):
        raise InvalidRequestError("== and in on the document id can't be combined with an inequality on another field.")
    _check_disjunctions(tree)


def _fixes_name(leaf: Leaf) -> bool:
    return leaf.kind == "name" and leaf.op in ("==", "in")


def _has_or(node: Node) -> bool:
    return isinstance(node, Junction) and (node.is_or or any(map(_has_or, node.parts)))


def _check_disjunctions(tree: Node) -> None:
    if isinstance(tree, Leaf):
        return
    if not tree.is_or and not any(isinstance(part, Junction) or part.op in _MULTIPLE for part in tree.parts):
        # One disjunct, without the need to make it.
        return
    _disjuncts(tree)


def _arrays(where: Where, leaves: Iterator[Leaf]) -> tuple[int, Any]:
    """How many conditions on array elements meet in one disjunction, and what distinguishes a part from others.

    Repeated parts count once. Firestore looks at this before it simplifies, so `x AND (x AND a)` has two.
    """
    if isinstance(where, Condition):
        leaf = next(leaves)
        return int(leaf.kind == "element"), leaf.atoms
    if len(where.conditions) == 1:
        return _arrays(where.conditions[0], leaves)
    parts: dict[Any, int] = {}
    for condition in where.conditions:
        count, signature = _arrays(condition, leaves)
        parts[signature] = count
    return (max if where.op == "OR" else sum)(parts.values()), (where.op, frozenset(parts))


def _disjuncts(node: Node) -> set[frozenset[Atom]]:
    """The filter as an OR of ANDs; `in` and its kin are ORs of their values."""
    if isinstance(node, Leaf):
        if node.op in _DISJUNCTIVE:
            return {frozenset([atom]) for atom in node.atoms}
        return {node.atoms}
    parts = map(_disjuncts, node.parts)
    if node.is_or:
        result = set[frozenset[Atom]]().union(*parts)
    else:
        result = {frozenset[Atom]()}
        for part in parts:
            result = {one | other for one in result for other in part}
            _check_count(len(result))
    _check_count(len(result))
    return result


def _check_count(count: int) -> None:
    if count > MAX_DISJUNCTIONS:
        raise InvalidRequestError(
            f"the filter comes to {count} or more disjunctions (in and array-contains-any are ORs of their values), "
            f"and the limit is {MAX_DISJUNCTIONS}."
        )


def check_size(leaves: Sequence[Leaf], orders: int, has_ancestor: bool) -> None:
    """Hold the number of filters, orders and ancestors against the limit."""
    filters = sum([len(leaf.atoms) for leaf in leaves])
    if filters + orders + has_ancestor > MAX_FILTERS:
        raise InvalidRequestError(
            f"a query takes at most {MAX_FILTERS} filters (each value of in counts), orders and ancestors, "
            f"not {filters} + {orders} + {int(has_ancestor)}."
        )


def conjuncts(tree: Node | None) -> list[Node]:
    """The parts that all must hold."""
    if tree is None:
        return []
    return tree.parts if isinstance(tree, Junction) and not tree.is_or else [tree]
