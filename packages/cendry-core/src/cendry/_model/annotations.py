"""Annotations of class bodies, read and evaluated in every form that Python has. Knows nothing of models and fields."""

from __future__ import annotations

import ast
import inspect
import sys
import threading
import types
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import InitVar
from typing import Annotated, Any, ClassVar, Final, ForwardRef, Literal, NamedTuple, Union, get_args, get_origin

from .. import _fork
from .._types.shapes import module_advice

if sys.version_info >= (3, 14):  # pragma: no cover - CI has no Python 3.14
    import annotationlib

NOT_YET: Final = (NameError, AttributeError)
"""The errors of evaluating a name that isn't defined yet, or not yet in a module that is still being imported."""

_by_name: Final[weakref.WeakValueDictionary[tuple[str, str], type[Any]]] = weakref.WeakValueDictionary()


_waiting: Final[weakref.WeakSet[Scope]] = weakref.WeakSet()
_lock: Final = _fork.hold(threading.RLock())


def remember_class(cls: type[Any]) -> None:
    """Let annotations in the same scope find a class by its name, even if the scope is a function that has returned."""
    _by_name[cls.__module__, cls.__qualname__] = cls
    with _lock:
        waiting = list(_waiting)
    for scope in waiting:
        scope.note(cls)


class Declaration(NamedTuple):
    """The content of an annotation `Field[T]` or `Annotated[Field[T], ...]`.

    Attributes:
        annotation: The `T`: evaluated, or an `Unresolved`.
        extras: The other arguments of `Annotated`.
    """

    annotation: Any
    extras: tuple[Any, ...] = ()

    def beside(self, extras: tuple[Any, ...]) -> Declaration:
        """The same with more extras."""
        return Declaration(self.annotation, (*self.extras, *extras))


class Unresolved:
    """A type with a name that wasn't defined yet.

    Args:
        scope: The scope in which its names are looked up.
        annotation: The type, as a string or with unresolved names inside.
        finish: Called with the type once it is evaluated.
    """

    __slots__ = ("_annotation", "_finish", "_scope")

    def __init__(self, scope: Scope, annotation: Any, finish: Callable[[Any], Any] | None = None) -> None:
        self._scope = scope
        self._annotation = annotation
        self._finish = finish

    @property
    def written(self) -> Any:
        """The type as the class body has it."""
        return self._annotation

    def then(self, finish: Callable[[Any], Any]) -> Unresolved:
        """The same, with one more step."""
        before = self._finish
        return Unresolved(
            self._scope, self._annotation, finish if before is None else lambda found: finish(before(found))
        )

    def resolve(self) -> Any:
        """The type.

        Raises:
            NameError: A name is still not defined.
            AttributeError: A name is still not defined in its module.
        """
        found = self._scope.evaluate(self._annotation)
        return found if self._finish is None else self._finish(found)

    def __repr__(self) -> str:
        return f"<unresolved {as_text(self._annotation)}>"


class Scope:
    """Where the names in a class's annotations are looked up: the class body, the functions around it, its module.

    Args:
        cls: The class.
        own: The names that the class body annotates; their values are defaults, which annotations never refer to.
    """

    __slots__ = ("__weakref__", "_cls", "_globals", "_noted", "_own")

    def __init__(self, cls: type[Any], own: frozenset[str]) -> None:
        self._cls = cls
        self._own = own
        self._globals = _globals_of(cls)
        self._noted: dict[str, type[Any]] = {}

    def note(self, other: type[Any]) -> None:
        """Keep a class just defined by the same call of the same function; other calls define other classes."""
        cls = self._cls
        around = cls.__qualname__.rpartition(".")[0]
        if (other.__module__, other.__qualname__.rpartition(".")[0]) != (cls.__module__, around) or not around:
            return
        frame = next(_frames_of(around.split("."), self._globals), None)
        if frame is not None and frame.f_locals.get(cls.__name__) is cls:
            self._noted[other.__name__] = other

    def look_up(self, text: str) -> Any:
        """The value of an expression in the class's source.

        Raises:
            NameError: A name is not defined (yet).
            AttributeError: A name is not defined (yet) in its module.
        """
        names = _Names(self._cls, self._own, self._globals, self._noted)
        try:
            # The text comes from the user's own source, where Python itself would have evaluated it.
            return eval(text.strip(), self._globals, names)  # noqa: S307
        except TypeError as error:
            modules = [] if "'module'" not in str(error) else _modules_in(text, {**self._globals, **names})
            raise TypeError("; ".join(map(module_advice, modules))) if modules else error from error

    def evaluate(self, annotation: Any) -> Any:
        """An annotation with all names in it replaced by their values.

        Raises:
            NameError: A name is not defined (yet).
            AttributeError: A name is not defined (yet) in its module.
        """

        def leaf(part: Any) -> Any:
            if isinstance(part, str):
                return replace_leaves(self.look_up(part), leaf)
            if isinstance(part, ForwardRef):
                return _evaluate_reference(part, leaf)
            return part

        return replace_leaves(annotation, leaf)

    def attempt(self, annotation: Any) -> Any:
        """The evaluated annotation, or an `Unresolved` if a name in it isn't defined yet."""
        try:
            return self.evaluate(annotation)
        except NOT_YET:
            with _lock:
                _waiting.add(self)
            return Unresolved(self, annotation)


def _modules_in(text: str, names: Mapping[str, Any]) -> list[types.ModuleType]:
    """The modules that an expression uses as if they were types."""
    tree = ast.parse(text.strip(), mode="eval")
    owners = {id(each.value) for each in ast.walk(tree) if isinstance(each, ast.Attribute)}
    used = [names.get(each.id) for each in ast.walk(tree) if isinstance(each, ast.Name) and id(each) not in owners]
    return [each for each in used if isinstance(each, types.ModuleType)]


class _Names(dict[str, Any]):
    """The local names of one evaluation; short-lived, since the frames that it looks into must not be kept alive."""

    def __init__(
        self, cls: type[Any], own: frozenset[str], module: Mapping[str, Any], noted: Mapping[str, type[Any]]
    ) -> None:
        super().__init__({cls.__name__: cls})
        self.update({parameter.__name__: parameter for parameter in getattr(cls, "__type_params__", ())})
        self._cls = cls
        self._own = own
        self._module = module
        self._noted = noted

    def __missing__(self, name: str) -> Any:
        body = vars(self._cls)
        if name in body and name not in self._own:
            return body[name]
        scope = self._cls.__qualname__.split(".")[:-1]
        for frame in _frames_of(scope, self._module):
            if name in frame.f_locals:
                return frame.f_locals[name]
            if name in frame.f_code.co_varnames or name in frame.f_code.co_cellvars:
                # A local variable that has no value yet; its value from an earlier call must not be used.
                raise NameError(f"name {name!r} is not defined")
        if name in self._noted:
            return self._noted[name]
        while scope:
            known = _by_name.get((self._cls.__module__, ".".join((*scope, name))))
            if known is not None:
                return known
            scope.pop()
        raise KeyError(name)


def _globals_of(cls: type[Any]) -> dict[str, Any]:
    frame = inspect.currentframe()
    while frame is not None:
        if frame.f_globals.get("__name__") == cls.__module__:
            return frame.f_globals
        frame = frame.f_back
    module = sys.modules.get(cls.__module__)
    return {} if module is None else vars(module)


def _frames_of(scope: list[str], module: Mapping[str, Any]) -> Iterator[types.FrameType]:
    """The running functions and class bodies around a class, innermost first."""
    waiting = [name for name in scope if name != "<locals>"]
    frame = inspect.currentframe()
    while frame is not None and waiting:
        if frame.f_globals is module and frame.f_code.co_name in waiting:
            while waiting.pop() != frame.f_code.co_name:
                pass
            yield frame
        frame = frame.f_back


def own_annotations(cls: type[Any]) -> dict[str, Any]:
    """The annotations of the class body itself, as written: types, strings, or types with strings inside."""
    if sys.version_info >= (3, 14):  # pragma: no cover - CI has no Python 3.14
        return annotationlib.get_annotations(cls, format=annotationlib.Format.FORWARDREF)
    return inspect.get_annotations(cls)


def read_declaration(annotation: Any, marker: type[Any], scope: Scope) -> Declaration | None:
    """Read an annotation of a class body.

    Args:
        annotation: The annotation, as written in the class body.
        marker: The class whose subscription declares a field.
        scope: Where names are looked up.

    Returns:
        The declaration, or `None` for a `ClassVar`.

    Raises:
        TypeError: It is neither a `marker[T]` nor a `ClassVar`, or it is not an annotation at all.
    """
    if isinstance(annotation, ForwardRef):
        annotation = _evaluate_reference(annotation, lambda text: text)
    if isinstance(annotation, str):
        return _read_text(annotation, marker, scope)
    if annotation is ClassVar:
        return None
    origin = get_origin(annotation)
    if origin is ClassVar:
        return None
    if origin is Annotated:
        inner = read_declaration(annotation.__origin__, marker, scope)
        return None if inner is None else inner.beside(annotation.__metadata__)
    if origin is marker:
        return Declaration(_inner(scope.attempt(get_args(annotation)[0]), marker))
    raise TypeError(_advice(annotation, marker))


def _inner(found: Any, marker: type[Any]) -> Any:
    if get_origin(found) is marker:
        raise TypeError(f"{marker.__name__}[...] is given twice, one inside the other")
    return found


def _advice(annotation: Any, marker: type[Any]) -> str:
    """What is wrong with an annotation that declares no field, and what to write."""
    name, text = marker.__name__, as_text(annotation)
    if annotation is marker:
        return f"{name} needs a type: {name}[str]"
    if annotation is InitVar or isinstance(annotation, InitVar):
        return (
            f"{text} declares an argument of __init__ that is not stored, which models don't have; "
            "make a class method that takes it and returns the instance"
        )
    arguments = get_args(annotation)
    inside = [each for each in arguments if get_origin(each) is marker]
    if annotation is Final or get_origin(annotation) is Final:
        inner = f" for a constant, write ClassVar[{as_text(arguments[0])}];" if arguments and not inside else ""
        return f"Final is not supported:{inner} for fields that are never reassigned, use frozen=True on the class"
    if inside:
        plain = " | ".join(as_text(get_args(each)[0] if get_origin(each) is marker else each) for each in arguments)
        if get_origin(annotation) in (Union, types.UnionType):
            return f"{name}[...] goes around the whole type: write {name}[{plain}]"
        return f"{name}[...] goes around the whole type, not into it"
    return f"an annotation must be {name}[{text}], or a ClassVar"


def _read_text(text: str, marker: type[Any], scope: Scope) -> Declaration | None:
    try:
        node = ast.parse(text.strip(), mode="eval").body
    except SyntaxError as error:
        raise TypeError(f"the annotation {text!r} is not a Python expression") from error
    return _read_node(node, marker, scope)


def _read_node(node: ast.expr, marker: type[Any], scope: Scope) -> Declaration | None:
    """Like `read_declaration`; names around the type must be defined already, those in the type itself need not."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return _read_text(node.value, marker, scope)
    head = _evaluate_now(node.value, marker, scope) if isinstance(node, ast.Subscript) else None
    if head is ClassVar:
        return None
    inside = node.slice if isinstance(node, ast.Subscript) else node
    if head is Annotated and isinstance(inside, ast.Tuple):
        inner = _read_node(inside.elts[0], marker, scope)
        extras = tuple(_evaluate_now(extra, marker, scope) for extra in inside.elts[1:])
        return None if inner is None else inner.beside(extras)
    if head is marker:
        return Declaration(_inner(scope.attempt(ast.unparse(inside)), marker))
    return read_declaration(_evaluate_now(node, marker, scope), marker, scope)


def _evaluate_now(node: ast.expr, marker: type[Any], scope: Scope) -> Any:
    text = ast.unparse(node)
    try:
        return scope.look_up(text)
    except NOT_YET as error:
        name = marker.__name__
        raise TypeError(
            f"{error} in the annotation {text!r}; an annotation must be {name}[...], or a ClassVar"
        ) from error


def declares_field(annotation: Any, marker: type[Any], scope: Scope) -> bool:
    """Whether an annotation declares a field; its class may have nothing to do with models."""
    try:
        return read_declaration(annotation, marker, scope) is not None
    except Exception:  # Annotations of foreign classes can mean anything, and need not be evaluable.
        return False


def replace_leaves(annotation: Any, leaf: Callable[[Any], Any]) -> Any:
    """A type with each innermost part replaced by the result of `leaf`; the same object if nothing changes."""
    origin = get_origin(annotation)
    if origin is None or origin is Literal:
        return leaf(annotation)
    if origin is Annotated:
        inner = replace_leaves(annotation.__origin__, leaf)
        return annotation if inner is annotation.__origin__ else annotation.copy_with((inner,))
    before: tuple[Any, ...] = annotation.__args__
    after = tuple(replace_leaves(part, leaf) for part in before)
    if all(new is old for new, old in zip(after, before, strict=True)):
        return annotation
    if origin is Union or origin is types.UnionType:
        return Union[after]
    if isinstance(annotation, types.GenericAlias):
        return types.GenericAlias(origin, after)
    return annotation.copy_with(after)


def as_text(annotation: Any) -> str:
    """A type as written in source, for messages."""
    if isinstance(annotation, str):
        return annotation
    if isinstance(annotation, ForwardRef):
        return annotation.__forward_arg__
    if annotation is type(None):
        return "None"
    if isinstance(annotation, type) and get_origin(annotation) is None:
        return annotation.__qualname__
    return repr(annotation).replace("typing.", "")


def _evaluate_reference(reference: ForwardRef, leaf: Callable[[Any], Any]) -> Any:
    if sys.version_info >= (3, 14):  # pragma: no cover - CI has no Python 3.14
        # PEP 649: unverified, since there was no Python 3.14 to run it on. A reference that the interpreter made knows
        # its own cells and globals; one written as a string is evaluated like any other text.
        try:
            return replace_leaves(reference.evaluate(), leaf)
        except NOT_YET:
            pass
    return leaf(reference.__forward_arg__)
