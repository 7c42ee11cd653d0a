"""Filters: what outside callers may ask for, declared once on a repository.

::

    filterable = {
        Album.title: (eq, icontains),
        column(Album.artist, Artist.name): icontains,
        track_count: (ge, le),
        period(Booking.start_at, Booking.end_at, name="busy"): overlaps,
    }

Each attribute and operator make a parameter: ``title``, ``title__icontains``, ``artist.name__icontains``. A
method decorated with `named_filter` makes one of its own name.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

from batchrepo.declare.filter_values import Parser, annotation_of, example_of, taken_by
from batchrepo.declare.operators import OPERATORS, Operator, eq, is_ordered, overlaps
from batchrepo.declare.targets import Target, read_target
from batchrepo.errors import DeclarationError
from batchrepo.mapping.entity import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from batchrepo.declare.computed import Computed
    from batchrepo.declare.operators import Takes
    from batchrepo.mapping import EntityInfo

F = TypeVar("F", bound="Callable[..., Any]")

_NAMED = "__batchrepo_named_filter__"


@dataclass(frozen=True, eq=False)
class Period:
    """A pair of columns between which something lasts. Made by `period`."""

    start: Any
    end: Any
    name: str


def period(start: Any, end: Any, *, name: str) -> Period:
    """The time between two columns, which can be filtered with `overlaps`.

    Args:
        start: the column with the beginning; a row without one overlaps nothing.
        end: the column with the end, which is no longer part of it; a row without one lasts for ever.
        name: the public name: ``?busy__overlaps=2026-01-01,2026-02-01`` for ``name="busy"``.
    """
    return Period(start, end, name)


def named_filter(function: F) -> F:
    """Make a method of a repository a filter that callers may use by its name.

    The method takes one value and returns a condition. Its type says how Pydantic parses it::

        @named_filter
        def for_kids(self, max_minutes: int) -> ColumnElement[bool]:
            return AlbumRepository.duration <= max_minutes * 60_000

    becomes ``?for_kids=30``, and can be called: ``albums.find(albums.for_kids(30))``. What the type lets through
    and the method cannot use is refused with a ``ValueError`` (or an ``ArithmeticError``); callers are told its text,
    as they are of a value that the database would not take.
    """
    setattr(function, _NAMED, True)
    return function


@dataclass(frozen=True, eq=False)
class FilterParameter:
    """One parameter that callers may give.

    Attributes:
        name: such as ``title__icontains``; without a suffix for `eq` and named filters.
        attribute: the public name of the attribute, or of the named filter.
        operator: None for a named filter.
        takes: what it is given: one value, two, many, yes or no, a text.
        annotation: the type of what it is given, by which Pydantic parses it; a pair or a list where it takes
            several values.
        description: what it asks for.
        example: an example as JSON has it, or None.
        target: what it looks at: an attribute, the ends of a period, or None for a named filter.
        parse: from what was given to the parsed value.
    """

    name: str
    attribute: str
    operator: Operator | None
    takes: Takes
    annotation: Any
    description: str
    example: Any
    target: Target | tuple[Target, Target] | None
    parse: Parser = field(repr=False)

    @property
    def repeated(self) -> bool:
        """Whether a query string repeats it for several values."""
        return self.takes == "many"

    @property
    def query_type(self) -> Any:
        """The type of the parameter in a query string, where two values are one text with a comma."""
        return str if self.takes == "two" else self.annotation

    @property
    def query_example(self) -> Any:
        """The example for a query string."""
        return ",".join(map(str, self.example)) if self.takes == "two" and self.example else self.example

    def __repr__(self) -> str:
        return f"<FilterParameter {self.name}>"


class Filters:
    """All filters of one repository.

    Args:
        owner: the repository's name, for messages.
        parameters: in the order of the declaration.
    """

    def __init__(self, owner: str, parameters: Sequence[FilterParameter]) -> None:
        self.owner = owner
        self.parameters = tuple(parameters)
        self.by_name: Mapping[str, FilterParameter] = {p.name: p for p in self.parameters}

    def of(self, attribute: str) -> tuple[FilterParameter, ...]:
        """The parameters of one attribute."""
        return tuple(p for p in self.parameters if p.attribute == attribute)

    def __len__(self) -> int:
        return len(self.parameters)

    def __repr__(self) -> str:
        return f"<Filters {', '.join(self.by_name) or 'nothing'}>"


# --- reading a class ----------------------------------------------------------------------------------


def read_filters(cls: type[Any], entity: EntityInfo, computed: Mapping[str, Computed[Any]]) -> Filters:
    """Read the filters of a repository class.

    Args:
        cls: the class, with its ``filterable`` and its named filters.
        entity: of the repository.
        computed: its computed attributes by name.

    Raises:
        DeclarationError: something of them is wrong; the message names class and attribute.
    """
    where = f"{cls.__name__}.filterable"
    if not isinstance(cls.filterable, Mapping):
        raise DeclarationError(
            f"{where} expects a mapping from attributes to operators, such as "
            f"{{{entity.name}.{entity.key_names[0]}: (eq, any_of)}}; got {shown(cls.filterable)}."
        )
    parameters: dict[str, FilterParameter] = {}
    for element, operators in cls.filterable.items():
        read = _read_period if isinstance(element, Period) else _read_attribute
        for parameter in read(element, _operators(operators, element, where), where, entity, computed):
            _add(parameters, parameter, where)
    for name, function in _named(cls):
        _add(parameters, _read_named(cls, name, function), f"{cls.__name__}.{name}")
    return Filters(cls.__name__, list(parameters.values()))


def _add(parameters: dict[str, FilterParameter], parameter: FilterParameter, where: str) -> None:
    if parameter.name in parameters:
        raise DeclarationError(
            f"{where}: the filter {parameter.name!r} is there twice. Each needs a name of its own."
        )
    parameters[parameter.name] = parameter


def _operators(given: Any, element: Any, where: str) -> tuple[Operator, ...]:
    operators = tuple(given) if isinstance(given, tuple | list | set | frozenset) else (given,)
    for operator in operators:
        if not isinstance(operator, Operator):
            raise DeclarationError(
                f"{where}: {shown(operator)} for {_text(element)} is no operator. Expected one of batchrepo's: "
                f"{', '.join(known.name for known in OPERATORS)}."
            )
    if not operators:
        raise DeclarationError(f"{where}: {_text(element)} has no operators. Write (eq,), or leave it away.")
    return operators


def _read_attribute(
    element: Any,
    operators: Sequence[Operator],
    where: str,
    entity: EntityInfo,
    computed: Mapping[str, Computed[Any]],
) -> list[FilterParameter]:
    target = read_target(element, where, entity, computed)
    return [_parameter(operator, target, where) for operator in operators]


def _parameter(operator: Operator, target: Target, where: str) -> FilterParameter:
    refusal = operator.why_not(target.type, target.python_type)
    if refusal is not None:
        raise DeclarationError(
            f"{where}: {operator.name} {refusal}, but {target.name} has the type {target.type!r}."
        )
    return _made(operator, target.name, target, where)


def _made(
    operator: Operator, attribute: str, target: Target | tuple[Target, Target], where: str
) -> FilterParameter:
    one_end = target[0] if isinstance(target, tuple) else target
    kind = one_end.type
    item = bool if operator.takes == "truth" else annotation_of(kind, one_end.python_type)
    annotation = taken_by(operator.takes, item)
    parser = None if item is None else _parser(annotation)
    if parser is None:
        raise DeclarationError(
            f"{where}: {attribute} has the type {kind!r}, and it is not known how its values are parsed. "
            f"Give that type a python_type, or write a method with @named_filter, whose parameter has a type that Pydantic knows."
        )
    one = example_of(item, zoned=bool(getattr(kind, "timezone", True)))
    example: Any = {"two": [one, one], "many": [one]}.get(operator.takes, one)
    return FilterParameter(
        attribute if operator is eq else f"{attribute}__{operator.name}",
        attribute,
        operator,
        operator.takes,
        annotation,
        f"{attribute} {operator.meaning}.",
        None if one is None else example,
        target,
        parser,
    )


def _parser(annotation: Any) -> Parser | None:
    try:
        return Parser(annotation)
    except TypeError:
        return None


def _read_period(
    element: Period,
    operators: Sequence[Operator],
    where: str,
    entity: EntityInfo,
    computed: Mapping[str, Computed[Any]],
) -> list[FilterParameter]:
    name = element.name
    if not str(name).isidentifier():
        raise DeclarationError(f"{where}: period(name=...) expects a name; got {name!r:.100}.")
    for operator in operators:
        if operator is not overlaps:
            raise DeclarationError(f"{where}: the period {name!r} can only be filtered with overlaps.")
    start, end = (read_target(part, where, entity, computed) for part in (element.start, element.end))
    types = [target.python_type for target in (start, end)]
    if types[0] is not types[1] or types[0] is None:
        raise DeclarationError(
            f"{where}: the period {name!r} is from {start.name}, a {start.type!r}, to {end.name}, a {end.type!r}. "
            f"Both must have the same type."
        )
    if not is_ordered(start.type, start.python_type):
        raise DeclarationError(
            f"{where}: the period {name!r}: {start.name} has the type {start.type!r}, which has no order."
        )
    return [_made(overlaps, name, (start, end), where)]


def _named(cls: type[Any]) -> list[tuple[str, Any]]:
    """The methods that are named filters, in the order of the classes and of their bodies."""
    found: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        found |= vars(base)  # a name keeps its place, and has the value of the last class that gives one
    return [(name, value) for name, value in found.items() if getattr(_function(value), _NAMED, False)]


def _function(value: Any) -> Any:
    return value.__func__ if isinstance(value, staticmethod | classmethod) else value


def _read_named(cls: type[Any], name: str, function: Any) -> FilterParameter:
    where = f"{cls.__name__}.{name}"
    if name.startswith("_"):
        raise DeclarationError(f"{where} starts with an underscore, so that nobody may call it. Rename it.")
    if not inspect.isfunction(function) or inspect.iscoroutinefunction(function):
        raise DeclarationError(f"{where}: named_filter expects a plain method, neither async nor static.")
    parameters = list(inspect.signature(function).parameters.values())[1:]
    if len(parameters) != 1 or parameters[0].kind not in _BY_POSITION:
        raise DeclarationError(
            f"{where}: a named filter takes self and one value; got {inspect.signature(function)}. "
            f"Several values are a list or a Pydantic model."
        )
    annotation = _annotation(function, parameters[0], where)
    try:
        parser = Parser(annotation)
    except TypeError as error:
        raise DeclarationError(f"{where}: Pydantic cannot parse {annotation!r}: {error}") from None
    bare = get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
    takes: Takes = "many" if (get_origin(bare) or bare) in (list, tuple, set, frozenset) else "one"
    description = (inspect.getdoc(function) or f"{name.replace('_', ' ')}.").partition("\n\n")[0]
    return FilterParameter(
        name, name, None, takes, annotation, description, example_of(annotation), None, parser
    )


def _annotation(function: Any, parameter: inspect.Parameter, where: str) -> Any:
    """The annotation of a parameter, whatever the annotations beside it are."""
    if parameter.annotation is inspect.Parameter.empty:
        raise DeclarationError(
            f"{where}: the parameter {parameter.name} has no type, by which its values would be parsed."
        )
    holder = SimpleNamespace(__annotations__={parameter.name: parameter.annotation})
    try:
        return get_type_hints(holder, function.__globals__, include_extras=True)[parameter.name]
    except NameError as error:
        raise DeclarationError(
            f"{where}: the type of {parameter.name} is not known where the method is: {error}. Import it there, not "
            f"under TYPE_CHECKING."
        ) from error


_BY_POSITION = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def _text(element: Any) -> str:
    return element.name if isinstance(element, Period) else f"{element!s:.100}"
