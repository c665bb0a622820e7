"""Annotations in every form: strings, forward references, classes in functions, generics, names that come later."""

from __future__ import annotations

import enum
import gc
import os
import subprocess
import sys
import textwrap
import types
import typing
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, ForwardRef, Generic, Literal, Optional, TypeVar, Union

import cendry
import pytest
from cendry._model.annotations import Unresolved, as_text, replace_leaves
from cendry._model.fields import Field, field
from cendry._model.model import Map, Model, fields_of, resolve
from cendry.reference import Ref

T = TypeVar("T")
U = TypeVar("U")

FUTURE = "from __future__ import annotations\n"
PREAMBLE = """
import typing as t
import typing
from typing import Annotated, Any, ClassVar, Generic, Optional, TypeVar, Union
import cendry
from cendry._model.fields import Field, field
from cendry._model.model import Map, Model, resolve
from cendry.reference import Ref
T = TypeVar("T")
class Mayor(Map):
    name: Field[str]
"""


@pytest.fixture(params=[FUTURE, ""], ids=["strings", "evaluated"])
def module(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Builds modules from source, once with all annotations as strings and once with them evaluated."""
    made: list[str] = []

    def build(source: str, name: str = "sample") -> types.ModuleType:
        new = types.ModuleType(f"tests_{name}_{len(made)}_{request.param_index}")  # type: ignore[attr-defined]
        sys.modules[new.__name__] = new
        made.append(new.__name__)
        exec(
            compile(request.param + PREAMBLE + textwrap.dedent(source), f"<{name}>", "exec", dont_inherit=True),
            vars(new),
        )
        return new

    yield build
    for name in made:
        del sys.modules[name]
    gc.collect()


def types_of(cls: Any) -> dict[str, Any]:
    return {name: info.annotation for name, info in fields_of(cls).items()}


# Both ways of writing


def test_plain_containers_and_optional_types(module: Any) -> None:
    sample = module("""
        class City(Model, collection="cities"):
            KINDS: ClassVar[int] = 3
            BARE: ClassVar = 4
            QUOTED: "ClassVar[Nowhere]" = 5
            DEEP: t.ClassVar["Nowhere"] = 6
            name: Field[str]
            mayor: Field[Mayor | None] = field(default=None)
            maps: Field[dict[str, list[Mayor]]]
            twin: Field[Ref["City"] | None]
            long: cendry.Field[Optional[Union[int, str]]]
            said: Annotated[Field[str], field(alias="SAID"), "x"]
            some: Annotated[Field["Mayor"], field(alias="SOME")]
    """)
    found = types_of(sample.City)
    assert {
        "name": str,
        "mayor": Optional[sample.Mayor],
        "maps": dict[str, list[sample.Mayor]],  # type: ignore[name-defined]
        "twin": Optional[Ref[sample.City]],  # type: ignore[name-defined]
        "long": Optional[Union[int, str]],
        "said": str,
        "some": sample.Mayor,
    } == found
    assert (3, 4, 5, 6) == (sample.City.KINDS, sample.City.BARE, sample.City.QUOTED, sample.City.DEEP)
    assert ["SAID", "SOME"] == [sample.City.said.alias, sample.City.some.alias]


def test_quoted_forward_references(module: Any) -> None:
    sample = module("""
        class Node(Map):
            children: Field[list["Node"]]
            parent: Field["Node | None"] = field(default=None)
            other: "Field[dict[str, Node]]"
            twice: "Field['Node | None']" = field(default=None)
            typed: Field[t.List["Node"]]
            annotated: Field[Annotated["Node", 3]]
            literal: Field[t.Literal["Nowhere"]]
    """)
    node = sample.Node
    assert {
        "children": list[node],  # type: ignore[valid-type]
        "parent": Optional[node],
        "other": dict[str, node],  # type: ignore[valid-type]
        "twice": Optional[node],
        "typed": typing.List[node],  # type: ignore[valid-type]  # noqa: UP006
        "annotated": Annotated[node, 3],
        "literal": Literal["Nowhere"],
    } == types_of(node)
    assert "leaf" == node(children=[], other={}, typed=[], annotated=None, literal="leaf").literal


def test_names_that_come_later_are_resolved_at_first_use(module: Any) -> None:
    sample = module("""
        class City(Model, collection="cities"):
            mayor: Field["Person | None"] = field(default=None)
            people: Field[list["Person"]] = field(default_factory=list)
            name: Field[str]

        class Person(Map):
            name: Field[str]
    """)
    assert "City.mayor" == repr(sample.City.mayor)
    assert ["mayor", "people", "name"] == list(sample.City.__cendry_fields__)
    assert 3 == len(sample.City.__cendry_fields__)
    assert "name" in sample.City.__cendry_fields__
    assert "City.mayor[Person.name] == 'x'" == repr(sample.City.mayor.name == "x")
    assert {"mayor": Optional[sample.Person], "people": list[sample.Person], "name": str} == types_of(sample.City)  # type: ignore[name-defined]
    assert Optional[sample.Person] == sample.City.__dataclass_fields__["mayor"].type
    assert list[sample.Person] == sample.City.__init__.__annotations__["people"]  # type: ignore[name-defined]


def test_a_whole_annotation_may_name_what_comes_later(module: Any) -> None:
    sample = module("""
        class City(Model, collection="cities"):
            mayor: "Field[Person]"
            marked: "Annotated[Field[Person], field(alias='m')]"

        class Person(Map):
            name: Field[str]
    """)
    assert {"mayor": sample.Person, "marked": sample.Person} == types_of(sample.City)
    assert "m" == sample.City.marked.alias


def test_resolve_evaluates_what_is_left(module: Any) -> None:
    sample = module("""
        class City(Model, collection="cities"):
            mayor: Field["Person"]

        class Town(City, collection="towns"):
            vice: Field["Person"]

        class Person(Map):
            name: Field[str]
        resolve(City, Town)
    """)
    for cls in (sample.City, sample.Town):
        assert isinstance(cls.__cendry_fields__, types.MappingProxyType)
        assert sample.Person is cls.__cendry_fields__["mayor"].annotation


def test_resolve_without_arguments_evaluates_all_there_is() -> None:
    code = """
        from cendry import Field, Map, resolve
        class City(Map):
            mayor: Field["Person"]
        class Person(Map):
            name: Field[str]
        resolve()
        assert City.__cendry_fields__["mayor"].annotation is Person
        class Town(Map):
            mayor: Field["Nobody"]
        try:
            resolve()
        except TypeError as error:
            print(error)
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    answer = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, env=environment, check=True
    )
    assert answer.stdout.startswith("Town.mayor: name 'Nobody' is not defined.")


def test_a_name_that_never_comes_is_a_type_error_at_first_use(module: Any) -> None:
    sample = module("""
        class City(Model, collection="cities"):
            mayor: Field["Nobody | None"] = field(default=None)
            far: Field["t.Nobody"] = field(default=None)
    """)
    message = (
        "City.mayor: name 'Nobody' is not defined. "
        "Define or import it where the class is; names imported only under TYPE_CHECKING can't be found."
    )
    for use in (lambda: fields_of(sample.City), lambda: resolve(sample.City), lambda: sample.City.mayor.name):
        with pytest.raises(TypeError) as caught:
            use()
        assert message == str(caught.value)
    assert "City.mayor == None" != repr(sample.City.mayor == 3)
    assert sample.City().mayor is None
    sample.Nobody = int
    with pytest.raises(TypeError, match=r"City\.far: module 'typing' has no attribute 'Nobody'"):
        fields_of(sample.City)


def test_a_type_that_comes_later_is_checked_when_it_comes(module: Any) -> None:
    sample = module("""
        class City(Model, collection="cities"):
            mayor: Field["Person"]

        class Person(Model, collection="people"):
            name: Field[str]
    """)
    with pytest.raises(TypeError, match=r"City\.mayor: Person is a Model, and documents can't be embedded"):
        resolve(sample.City)


def test_evaluation_that_fails_later_names_the_field(module: Any) -> None:
    sample = module("""
        class City(Model, collection="cities"):
            mayor: Field["Person[0]"]
    """)
    sample.Person = 3
    with pytest.raises(TypeError, match=r"City\.mayor: 'int' object is not subscriptable\."):
        resolve(sample.City)


# Scopes


def test_classes_in_functions_see_locals_and_closures(module: Any) -> None:
    sample = module("""
        def outer():
            class Person(Map):
                name: Field[str]

            def inner():
                class Street(Map):
                    name: Field[str]

                class City(Model, collection="cities"):
                    mayor: Field["Person"]
                    street: Field["Street"]
                    later: Field["list[Later]"]

                class Later(Map):
                    x: Field[int]

                return Person, Street, City, Later

            return inner()
    """)
    person, street, city, later = sample.outer()
    assert {"mayor": person, "street": street, "later": list[later]} == types_of(city)  # type: ignore[valid-type]


def test_plain_locals_are_seen_while_the_function_runs(module: Any) -> None:
    sample = module("""
        def use():
            class City(Model, collection="cities"):
                shade: Field["Shade"]

            import enum

            class Shade(enum.Enum):
                RED = "red"

            resolve(City)
            return City, Shade
    """)
    city, shade = sample.use()
    assert {"shade": shade} == types_of(city)


def test_locals_around_a_class_in_a_class_are_seen(module: Any) -> None:
    sample = module("""
        def use():
            class Outer:
                class City(Model, collection="cities"):
                    shade: Field["Shade"]

            Shade = int
            resolve(Outer.City)
            return Outer.City
    """)
    assert {"shade": int} == types_of(sample.use())


def test_an_init_of_the_class_itself_stays_as_it_is(module: Any) -> None:
    sample = module("""
        class City(Map):
            mayor: Field["Mayor2"]

            def __init__(self, who: str) -> None:
                self.mayor = Mayor2(name=who)

        class Mayor2(Map):
            name: Field[str]
    """)
    assert {"mayor": sample.Mayor2} == types_of(sample.City)
    assert "x" == sample.City("x").mayor.name
    assert {"who", "return"} == set(sample.City.__init__.__annotations__)


def test_plain_locals_are_gone_once_the_function_has_ended(module: Any) -> None:
    sample = module("""
        def use():
            class City(Model, collection="cities"):
                shade: Field["Shade"]

            Shade = int
            return City
    """)
    with pytest.raises(TypeError, match="name 'Shade' is not defined"):
        fields_of(sample.use())


def test_no_frame_is_kept_alive(module: Any) -> None:
    sample = module("""
        class Big: pass

        def use(big):
            class City(Model, collection="cities"):
                shade: Field["Nowhere"]
            return City
    """)
    import weakref

    big = sample.Big()
    alive = weakref.ref(big)
    city = sample.use(big)
    del big
    gc.collect()
    assert alive() is None
    assert "City.shade" == repr(city.shade)


def test_classes_inside_classes(module: Any) -> None:
    sample = module("""
        class Outer(Model, collection="outer"):
            class Inner(Map):
                name: Field[str]
                other: Field["Sister | None"] = field(default=None)

            class Sister(Map):
                name: Field[str]

            inner: Field[Inner]
            quoted: Field["Inner"]
    """)
    assert {"inner": sample.Outer.Inner, "quoted": sample.Outer.Inner} == types_of(sample.Outer)
    assert Optional[sample.Outer.Sister] == types_of(sample.Outer.Inner)["other"]
    assert "Outer.inner[Outer.Inner.name]" == repr(sample.Outer.inner.name)


def test_a_function_that_is_called_twice_makes_two_worlds(module: Any) -> None:
    sample = module("""
        def make():
            class Person(Map):
                name: Field[str]

            class City(Model, collection="cities"):
                mayor: Field["Person"]

            return Person, City
    """)
    (person, city), (other, second) = sample.make(), sample.make()
    assert (person, other) == (types_of(city)["mayor"], types_of(second)["mayor"])


@pytest.mark.parametrize("used", ["while the function runs", "after it has ended"])
def test_forward_references_mean_the_classes_of_their_own_call(module: Any, used: Any) -> None:
    sample = module("""
        class Person(Map):
            shadowed: Field[bool]

        def make(use):
            class City(Model, collection="cities"):
                mayor: Field["Person"]

            class Person(Map):
                name: Field[str]
                twin: Field["City2 | None"] = field(default=None)

            class City2(Map):
                name: Field[str]

            use(City)
            return Person, City, City2
    """)
    use = resolve if used == "while the function runs" else id
    worlds = [sample.make(use) for _ in range(3)]
    for person, city, other in worlds:
        assert person is types_of(city)["mayor"]
        assert Optional[other] == types_of(person)["twin"]


def test_a_local_name_that_has_no_value_yet_is_no_global(module: Any) -> None:
    sample = module("""
        class Person(Map):
            name: Field[str]

        def make():
            class City(Model, collection="cities"):
                mayor: Field["Person"]

            try:
                resolve(City)
            except TypeError as error:
                told = str(error)

            class Person(Map):
                other: Field[int]

            return Person, City, told
    """)
    person, city, told = sample.make()
    assert "name 'Person' is not defined" in told
    assert person is types_of(city)["mayor"]


def test_a_class_without_a_module_to_look_in() -> None:
    made = type(Map)(  # type: ignore[misc]
        "Made",
        (Map,),
        {"__module__": "nowhere", "__annotations__": {"x": Field["int"], "y": Field["Gone"]}},  # type: ignore[name-defined]
    )
    assert int is made.__cendry_fields__.infos["x"].annotation
    with pytest.raises(TypeError, match="name 'Gone' is not defined"):
        resolve(made)


def test_a_field_named_like_its_type() -> None:
    class Day(Map):
        date: Field[date | None] = field(default=None)
        field: Field[int] = field(default=3)

    from datetime import date as standard_date

    assert {"date": Optional[standard_date], "field": int} == types_of(Day)


from datetime import date  # noqa: E402

# Generics


class Page(Model, Generic[T], collection="pages"):
    items: Field[list[T]]
    first: Field[T | None] = field(default=None)
    later: Field[tuple[T, Later] | None] = field(default=None)


class IntPage(Page[int], collection="int_pages"):
    pass


class Later(Map):
    x: Field[int]


class Pair(Map, Generic[T, U]):
    left: Field[T]
    right: Field[U]


class Swapped(Pair[U, T], Generic[T, U]):
    pass


class Concrete(Swapped[int, str]):
    more: Field[Pair[int, str]]


class Deep(Concrete):
    pass


def test_a_generic_model_keeps_its_type_variables() -> None:
    assert {"items": list[T], "first": Optional[T], "later": Optional[tuple[T, Later]]} == types_of(Page)  # type: ignore[valid-type]
    assert [1, 2] == Page[int](items=[1, 2]).items
    assert Page[int].items is Page.items  # type: ignore[misc]


def test_a_subclass_of_a_specialised_generic_has_its_types() -> None:
    assert {"items": list[int], "first": Optional[int], "later": Optional[tuple[int, Later]]} == types_of(IntPage)
    assert IntPage is IntPage.items.owner  # type: ignore[misc]


def test_type_variables_are_followed_through_several_levels() -> None:
    assert {"left": U, "right": T} == types_of(Swapped)
    assert {"left": str, "right": int, "more": Pair[int, str]} == types_of(Concrete)
    assert {"left": str, "right": int, "more": Pair[int, str]} == types_of(Deep)
    assert "Deep.more[Pair.left]" == repr(Deep.more.left)


def test_a_type_that_a_specialisation_brings_is_checked() -> None:
    with pytest.raises(TypeError, match=r"Bad\.items: list\[list\[int\]\] has an array directly in an array"):

        class Bad(Page[list[int]], collection="bad"):
            pass


@pytest.mark.skipif(sys.version_info < (3, 12), reason="type parameters in brackets came with Python 3.12")
def test_type_parameters_in_brackets(module: Any) -> None:
    sample = module("""
        class Page[Item](Model, collection="pages"):
            items: Field[list[Item]]
            quoted: Field["list[Item]"]

        class Ints(Page[int], collection="ints"):
            pass

        def make():
            class Local[Item](Map):
                item: Field[Item]
            return Local
    """)
    assert {"items": list[int], "quoted": list[int]} == types_of(sample.Ints)
    local = sample.make()
    assert {"item": local.__type_params__[0]} == types_of(local)


# Inheritance of what is not resolved


def test_a_subclass_resolves_what_its_base_left_open(module: Any) -> None:
    sample = module("""
        class Base(Model, Generic[T], abstract=True):
            person: Field["Person | None"] = field(default=None)
            things: Field["dict[str, tuple[T, Person]]"]

        class City(Base[int], collection="cities"):
            name: Field[str]

        class Town(City, collection="towns"):
            pass

        class Person(Map):
            name: Field[str]
    """)
    assert {"person": Optional[sample.Person], "things": dict[str, tuple[int, sample.Person]], "name": str} == types_of(  # type: ignore[name-defined]
        sample.City
    )
    assert types_of(sample.City) == types_of(sample.Town)
    assert dict[str, tuple[sample.T, sample.Person]] == types_of(sample.Base)["things"]  # type: ignore[name-defined]


# The parts


def test_replacing_leaves_keeps_what_does_not_change() -> None:
    for annotation in (int, list[int], Optional[int], Annotated[int, 3], Literal["a"], dict[str, list[int]]):
        assert annotation is replace_leaves(annotation, lambda leaf: leaf)
    assert (int | str) == replace_leaves(int | bytes, lambda leaf: str if leaf is bytes else leaf)


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        ("a | b", "a | b"),
        (ForwardRef("X"), "X"),
        (int, "int"),
        (list[int], "list[int]"),
        (Optional[int], "int | None" if sys.version_info >= (3, 14) else "Optional[int]"),
    ],
)
def test_types_in_words(annotation: Any, text: str) -> None:
    assert text == as_text(annotation)


def test_an_unresolved_type_shows_what_it_is() -> None:
    class Half(Map):
        x: Field[Nowhere]  # type: ignore[name-defined]  # noqa: F821

    annotation = Half.__cendry_fields__.infos["x"].annotation  # type: ignore[attr-defined]
    assert isinstance(annotation, Unresolved)
    assert "<unresolved Nowhere>" == repr(annotation)
    assert "<unresolved Nowhere>" == repr(annotation.then(lambda found: found))


def test_a_forward_reference_can_be_the_whole_annotation() -> None:
    body = {
        "__module__": __name__,
        "__annotations__": {"x": ForwardRef("Field[int]"), "K": ForwardRef("ClassVar[int]")},
    }
    assert {"x": int} == types_of(type(Map)("Made", (Map,), body))  # type: ignore[misc]


def test_class_variables_inside_annotated() -> None:
    class Made(Map):
        x: Field[int]
        k: Annotated[ClassVar[int], "k"] = 3  # type: ignore[valid-type]

    body = {"__module__": __name__, "__annotations__": {"k": Annotated[ClassVar[int], 3]}}
    assert ["x"] == list(fields_of(Made))
    assert {} == types_of(type(Map)("Other", (Map,), body))  # type: ignore[misc]


class Shade(enum.Enum):
    RED = "red"


def test_an_alias_of_a_whole_annotation() -> None:
    Name = Field[str]

    class Made(Map):
        x: Name
        shade: cendry.Field[Shade]

    assert {"x": str, "shade": Shade} == types_of(Made)


class Drawer:
    """Models in the body of a class, which is no scope of functions."""

    class Box(Map):
        lid: Field[Lid]  # type: ignore[name-defined]  # noqa: F821

    class Lid(Map):
        x: Field[int]


def test_a_class_in_a_class_body_is_found_by_its_neighbours() -> None:
    assert Drawer.Lid is fields_of(Drawer.Box)["lid"].annotation


def test_a_class_of_a_function_further_out_is_found_when_that_has_returned() -> None:
    def outer() -> tuple[type[Map], type[Map]]:
        def inner() -> type[Map]:
            class Case(Map):
                cover: Field[Cover]

            return Case

        case = inner()

        class Cover(Map):
            x: Field[int]

        return case, Cover

    case, cover = outer()
    assert cover is fields_of(case)["cover"].annotation
