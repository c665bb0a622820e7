"""`@dataclass(frozen=True, slots=True)`, in a sixth of the time that `dataclasses` needs.

Core has some fifty such classes, created in each process that imports it: with the standard library's decorator, they
took half the time of `import cendry`. They are dataclasses all the same: `fields`, `replace`, `asdict`, `match`, `copy`
and `pickle` work with them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

__all__ = ["dataclass", "replace"]

T = TypeVar("T")


def replace(value: T, **changes: Any) -> T:
    """A copy of an instance of such a class with some fields changed; faster than `dataclasses.replace`.

    Raises:
        TypeError: There is no such field.
    """
    return cast("T", cast("Any", value).__replace__(**changes))


if TYPE_CHECKING:
    from dataclasses import dataclass
else:
    from dataclasses import MISSING, Field, FrozenInstanceError, field
    from dataclasses import dataclass as standard_dataclass
    from functools import cache
    from operator import attrgetter
    from types import FunctionType

    def dataclass(*, frozen, slots):
        """Like `dataclasses.dataclass`, for classes that are frozen, have slots and do not derive from a dataclass."""
        assert frozen
        assert slots
        return _made

    def _made(cls):
        own = dict(vars(cls))
        every = {name: _as_field(own.pop(name, MISSING)) for name in cls.__annotations__}
        compared = _getter([name for name, each in every.items() if each.compare])
        shown = [name for name, each in every.items() if each.repr]

        def equal(self, other):
            return compared(self) == compared(other) if other.__class__ is self.__class__ else NotImplemented

        def hashed(self):
            return hash(compared(self))

        def described(self):
            return f"{type(self).__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"

        def reduced(self):
            # By name, and without defaults: fields may be added and removed between versions.
            held = {name: getattr(self, name) for name in every}
            return _revive, (type(self), {name: held[name] for name in every if held[name] is not every[name].default})

        # Slots are created with the class, so the class has to be created again.
        del own["__dict__"], own["__weakref__"]
        names = {"__slots__": tuple(every), "__match_args__": tuple(every), "__qualname__": cls.__qualname__}
        methods = {"__eq__": equal, "__hash__": hashed, "__repr__": described, "__reduce__": reduced}
        frozen = {"__setattr__": _refuse_setting, "__delattr__": _refuse_deleting}
        cls = type(cls)(cls.__name__, cls.__bases__, {**names, **methods, **frozen, **own})
        cls.__init__ = _init(cls, every)
        cls.__replace__ = _Replace(cls, every)
        for name in ("__dataclass_fields__", "__dataclass_params__"):
            setattr(cls, name, _Described(cls, name, every))
        return cls

    class _Described:
        """The metadata that `dataclasses` keeps on a class, created by it on first access."""

        def __init__(self, cls, name, every):
            self.cls = cls
            self.name = name
            self.every = every

        def __get__(self, instance, owner):
            cls = self.cls
            known = {"__module__": cls.__module__, "__doc__": cls.__doc__, "__annotations__": cls.__annotations__}
            twin = standard_dataclass(frozen=True)(type(cls.__name__, (), {**known, **self.every}))
            found = getattr(twin, self.name)
            setattr(cls, self.name, found)
            return found

    class _Replace:
        """`__replace__` of a class: compiled when it is first called."""

        def __init__(self, cls, every):
            self.cls = cls
            self.every = every

        def __get__(self, instance, owner):
            cls = self.cls
            names = {"new__": object.__new__, "cls__": cls, "KEPT__": MISSING}
            parameters = ["self", *["*"][: len(self.every)], *(f"{name}=KEPT__" for name in self.every)]
            body = [f"def __replace__({', '.join(parameters)}):", "    copy__ = new__(cls__)"]
            for name in self.every:
                names[f"set_{name}"] = getattr(cls, name).__set__
                body.append(f"    set_{name}(copy__, self.{name} if {name} is KEPT__ else {name})")
            if hasattr(cls, "__post_init__"):
                body.append("    copy__.__post_init__()")
            body.append("    return copy__")
            exec("\n".join(body), names)  # noqa: S102
            cls.__replace__ = replace = names["__replace__"]
            replace.__qualname__ = f"{cls.__qualname__}.__replace__"
            replace.__module__ = cls.__module__
            return replace if instance is None else replace.__get__(instance, owner)

    def _revive(cls, values):
        """Restore a pickled instance."""
        unknown = [name for name in values if name not in cls.__match_args__]
        if unknown:
            raise TypeError(
                f"This {cls.__qualname__} was pickled by another version of cendry: "
                f"here it has no field {', '.join(map(repr, unknown))}."
            )
        return cls(**values)

    def _as_field(default):
        return default if isinstance(default, Field) else field(default=default)

    def _refuse_setting(self, name, value):  # noqa: ARG001
        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def _refuse_deleting(self, name):  # noqa: ARG001
        raise FrozenInstanceError(f"cannot delete field {name!r}")

    def _getter(names):
        """A function that returns these attributes as a tuple."""
        if len(names) > 1:
            return attrgetter(*names)
        return lambda self: tuple([getattr(self, name) for name in names])

    def _init(cls, every):
        known = {"MISSING": MISSING}
        defaults = []
        for number, (name, each) in enumerate(every.items()):
            # The slot's own setter, which is faster than object.__setattr__.
            known[f"set_{number}"] = getattr(cls, name).__set__
            known[f"make_{number}"] = each.default_factory
            if each.default is not MISSING or each.default_factory is not MISSING:
                defaults.append(each.default)
            else:
                assert not defaults, "fields without a default come first"
        factories = tuple([each.default_factory is not MISSING for each in every.values()])
        code = _code_of_init(factories, hasattr(cls, "__post_init__")).replace(co_varnames=("self", *every))
        init = FunctionType(code, known, "__init__", tuple(defaults))
        init.__qualname__ = f"{cls.__qualname__}.__init__"
        init.__module__ = cls.__module__
        init.__annotations__ = {**cls.__annotations__, "return": None}
        return init

    @cache
    def _code_of_init(factories, has_hook):
        """The code of an `__init__` with so many fields. Replacing their names is faster than compiling each class."""
        names = [f"field_{number}" for number in range(len(factories))]
        body = ["    pass"]
        for number, (name, is_made) in enumerate(zip(names, factories, strict=True)):
            value = f"make_{number}() if {name} is MISSING else {name}" if is_made else name
            body.append(f"    set_{number}(self, {value})")
        if has_hook:
            body.append("    self.__post_init__()")
        namespace = {}
        exec("\n".join([f"def __init__({', '.join(['self', *names])}):", *body]), namespace)  # noqa: S102
        return namespace["__init__"].__code__
