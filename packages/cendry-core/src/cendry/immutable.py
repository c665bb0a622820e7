"""`@dataclass(frozen=True, slots=True)`, made in a quarter of the time that `dataclasses` takes for it.

Core has some fifty such classes, and each process that imports it makes them all: with the standard library's own
decorator they were half of what `import cendry` costs. These are dataclasses all the same: `fields`, `replace`,
`asdict`, `match`, `copy` and `pickle` know them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = ["dataclass"]

if TYPE_CHECKING:
    from dataclasses import dataclass
else:
    from dataclasses import MISSING, FrozenInstanceError, fields
    from dataclasses import dataclass as standard_dataclass
    from operator import attrgetter

    # What is left out takes long, because a function is generated and compiled for each method.
    _with_fields_and_slots = standard_dataclass(init=False, repr=False, eq=False, slots=True)

    def dataclass(*, frozen, slots):
        """As `dataclasses.dataclass`, for classes that are frozen, have slots and derive from no dataclass."""
        assert frozen
        assert slots
        return _made

    def _made(cls):
        own = frozenset(vars(cls))
        cls = _with_fields_and_slots(cls)
        every = fields(cls)
        values = _getter([each.name for each in every])
        compared = _getter([each.name for each in every if each.compare])
        shown = [each.name for each in every if each.repr]

        def equal(self, other):
            return compared(self) == compared(other) if other.__class__ is self.__class__ else NotImplemented

        def hashed(self):
            return hash(compared(self))

        def described(self):
            return f"{type(self).__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"

        def reduced(self):
            return type(self), values(self)

        methods = {"__eq__": equal, "__hash__": hashed, "__repr__": described, "__reduce__": reduced}
        for name, method in {**methods, "__setattr__": _refuse_setting, "__delattr__": _refuse_deleting}.items():
            if name not in own:
                setattr(cls, name, method)
        cls.__init__ = _init(cls, every)
        params = cls.__dataclass_params__
        params.init = params.repr = params.eq = params.frozen = True
        return cls

    def _refuse_setting(self, name, value):  # noqa: ARG001
        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def _refuse_deleting(self, name):  # noqa: ARG001
        raise FrozenInstanceError(f"cannot delete field {name!r}")

    def _getter(names):
        """A function that gives these attributes as a tuple."""
        if len(names) > 1:
            return attrgetter(*names)
        return lambda self: tuple([getattr(self, name) for name in names])

    def _init(cls, every):
        names = {"MISSING": MISSING}
        parameters, body = ["self"], ["    pass"]
        for each in every:
            name = value = each.name
            # The slot's own setter, which is quicker than object.__setattr__.
            names[f"set_{name}"] = getattr(cls, name).__set__
            if each.default is not MISSING:
                names[f"default_{name}"] = each.default
                parameters.append(f"{name}=default_{name}")
            elif each.default_factory is not MISSING:
                names[f"make_{name}"] = each.default_factory
                parameters.append(f"{name}=MISSING")
                value = f"make_{name}() if {name} is MISSING else {name}"
            else:
                parameters.append(name)
            body.append(f"    set_{name}(self, {value})")
        if hasattr(cls, "__post_init__"):
            body.append("    self.__post_init__()")
        exec("\n".join([f"def __init__({', '.join(parameters)}):", *body]), names)  # noqa: S102
        init = names["__init__"]
        init.__qualname__ = f"{cls.__qualname__}.__init__"
        init.__module__ = cls.__module__
        init.__annotations__ = {**{each.name: each.type for each in every}, "return": None}
        return init
