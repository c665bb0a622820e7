"""The type registry: how users' own types are stored, and overrides for the built-in ones."""

from __future__ import annotations

import functools
import inspect
import threading
import typing
from collections.abc import Callable, Iterator
from typing import Any, Final, Generic, NewType, TypeVar, cast, get_origin

import typing_extensions

from .. import _fork
from .shapes import AsIs, Handled, type_name

T = TypeVar("T")

TYPE_ALIASES: Final = (
    typing_extensions.TypeAliasType,
    getattr(typing, "TypeAliasType", typing_extensions.TypeAliasType),
)
"""The type of `type X = ...`; the backport's class can differ from the interpreter's own."""


class BaseTypeHandler(Generic[T]):
    """How values of one type are stored: subclass it and override what differs from storing them as they are."""

    def serialize(self, value: T) -> Any:
        """Return a value that Firestore can store, from a Python value."""
        return value

    def deserialize(self, value: Any) -> T:
        """Return the Python value, from a stored value."""
        return cast(T, value)


class KnownTypes:
    """The registered types at one moment: compiled code keeps these, so as not to keep the registry alive."""

    __slots__ = ("_exact", "_parent", "_predicates", "_version")

    def __init__(
        self,
        exact: dict[Any, Handled | AsIs],
        predicates: tuple[tuple[Callable[[Any], object], Callable[[Any], Handled]], ...],
        parent: KnownTypes | None,
        version: int = 0,
    ) -> None:
        self._exact = exact
        self._predicates = predicates
        self._parent = parent
        self._version = version

    @property
    def version(self) -> int:
        """Increases with each registration, here or in a parent; code compiled for an older version is stale."""
        return self._version + (self._parent.version if self._parent else 0)

    @property
    def known(self) -> KnownTypes:
        """The types registered now; for the default registry, itself, since it lives as long as the process."""
        parent = self._parent
        return self if parent is None else KnownTypes(self._exact, self._predicates, parent.known, self._version)

    def lookup(self, annotation: Any, of_class: KnownTypes | None = None) -> Handled | AsIs | None:
        """The registration of a type, here or in a parent, or `None`.

        Args:
            annotation: The type.
            of_class: The registry of the class whose field it is: asked before the default registry.

        Raises:
            TypeError: A registered predicate raised an error.
        """
        for each in self._chain() if of_class is None else (*self._chain(), *of_class._chain()):
            found = each._lookup_here(annotation)
            if found is not None:
                return found
        return default_registry._lookup_here(annotation)

    def has_namesake(self, cls: type[Any], of_class: KnownTypes | None = None) -> bool:
        """Whether a registered class has the name of this one, which isn't registered: one of them was redefined."""
        name = (cls.__module__, cls.__qualname__)
        registries = (*self._chain(), *(() if of_class is None else of_class._chain()), default_registry)
        known = (each for registry in registries for each in registry._registered() if isinstance(each, type))
        return any((each.__module__, each.__qualname__) == name for each in known)

    def _registered(self) -> Iterator[Any]:
        return iter(self._exact)

    def _chain(self) -> Iterator[KnownTypes]:
        """This and its parents, without the default registry."""
        each: KnownTypes = self
        while each._parent is not None:
            yield each
            each = each._parent

    def _lookup_here(self, annotation: Any) -> Handled | AsIs | None:
        try:
            known = self._exact.get(annotation)
        except TypeError:  # Unhashable: Literal[[]], Annotated[int, []].
            return None
        if known is None and self._predicates and isinstance(annotation, type) and get_origin(annotation) is None:
            for predicate, build in self._predicates:
                if _matches(predicate, annotation):
                    return build(annotation)
        return known


class TypeRegistry(KnownTypes):
    """The types that fields can have beyond the built-in ones; it can override those as well.

    Args:
        parent: The registry for types that this one doesn't know; by default `default_registry`.
    """

    __slots__ = ("__weakref__", "_lock", "_serves_classes")

    def __init__(self, *, parent: TypeRegistry | None = None) -> None:
        super().__init__({}, (), parent or _default_registry())
        self._serves_classes = False
        self.after_fork()
        _fork.register(self)

    def serve_classes(self) -> None:
        """Note that a class was declared with this registry, so that a later registration makes all codecs stale."""
        for each in self._chain():
            cast("TypeRegistry", each)._serves_classes = True

    def after_fork(self) -> None:
        """Renew the lock: in a forked child, no other thread holds it."""
        self._lock = threading.Lock()

    def register(
        self,
        target: Any,
        *,
        serialize: Callable[[Any], Any] | None = None,
        deserialize: Callable[..., Any] | None = None,
        handler: type[BaseTypeHandler[Any]] | BaseTypeHandler[Any] | None = None,
    ) -> None:
        """Define how a type is stored. A later registration of the same type replaces the earlier one.

        Args:
            target: A type (a class, a generic or a `NewType`; subclasses are types of their own), or a predicate
                that is called with each class; exact types win over predicates, later predicates over earlier.
            serialize: Returns a value that Firestore can store, from a Python value; needs `deserialize`. By default,
                values are stored as they are.
            deserialize: Returns a Python value from a stored value; by default, values are read as they are. With a
                predicate, it may take two arguments: the class and the stored value.
            handler: Both as one object, or its class.

        Raises:
            TypeError: The arguments can't be combined, or are of the wrong kind; or `serialize` is given alone, so
                that what is read could not be saved again.
        """
        if handler is not None:
            if serialize is not None or deserialize is not None:
                raise TypeError("register_type takes either handler= or serialize= and deserialize=, not both.")
            made: Any = handler() if isinstance(handler, type) and _is_handler_class(handler) else handler
            if not _is_handler(made):
                raise TypeError(f"handler= takes a BaseTypeHandler subclass or an instance of one, not {handler!r}.")
            serialize, deserialize = made.serialize, made.deserialize
        for name, function in (("serialize", serialize), ("deserialize", deserialize)):
            if function is not None and not callable(function):
                raise TypeError(f"{name}= takes a function, not {function!r}.")
        if serialize is not None and deserialize is None:
            raise TypeError(
                f"{_named(target)} is registered with serialize= alone: documents would be read as stored values, "
                "which can't be saved again. Pass deserialize= too."
            )
        with self._lock:
            if _is_annotation(target):
                known = AsIs(target) if serialize is deserialize is None else Handled(target, serialize, deserialize)
                self._exact = {**self._exact, target: known}
            elif callable(target):
                build = functools.partial(_handled_by_predicate, serialize, deserialize)
                self._predicates = ((target, build), *self._predicates)
            else:
                raise TypeError(f"register_type takes a type or a predicate, not {target!r}.")
            self._version += 1
        if self._serves_classes:
            with default_registry._lock:
                default_registry._version += 1


def _named(target: Any) -> str:
    if _is_annotation(target):
        return type_name(target)
    name = getattr(target, "__qualname__", None)
    return name.rpartition("<locals>.")[2] if isinstance(name, str) else repr(target)


def _matches(predicate: Callable[[Any], object], annotation: type[Any]) -> bool:
    try:
        return bool(predicate(annotation))
    except Exception as error:  # Predicates are the users', and are called with every class.
        raise TypeError(
            f"the predicate {_named(predicate)} of {getattr(predicate, '__module__', None)}, passed to register_type, "
            f"raised {type(error).__name__}: {error} for {annotation.__qualname__}; it has to accept any class"
        ) from error


def _is_handler_class(value: type[Any]) -> bool:
    return issubclass(value, BaseTypeHandler)


def _is_handler(value: Any) -> bool:
    return isinstance(value, BaseTypeHandler)


def _is_annotation(target: Any) -> bool:
    return isinstance(target, (type, NewType, *TYPE_ALIASES)) or get_origin(target) is not None


def _handled_by_predicate(
    serialize: Callable[[Any], Any] | None, deserialize: Callable[..., Any] | None, python: Any
) -> Handled:
    if deserialize is not None and _takes_two(deserialize):
        deserialize = functools.partial(deserialize, python)
    return Handled(python, serialize, deserialize)


def _takes_two(function: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # Some classes and functions written in C have no signature.
        return False
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(each.kind in positional and each.default is each.empty for each in parameters) == 2


def _default_registry() -> TypeRegistry | None:
    return cast("TypeRegistry | None", globals().get("default_registry"))


default_registry: Final = TypeRegistry()
"""The registry of contexts without their own."""

register_type = default_registry.register
"""`TypeRegistry.register` of the default registry."""
