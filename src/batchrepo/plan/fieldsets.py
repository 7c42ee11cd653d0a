"""Sparse fieldsets: which fields of a view a caller asks for, as a text and as a value.

The text is ``id,title,artist(name),tracks(name,genre(name))``. A dot leads to one field of a relation, so that
``artist.name,artist.id`` is ``artist(id,name)``; a relation by its bare name means all of its fields. Names are
those of the view's JSON, and the view decides which there are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

from batchrepo.errors import InvalidFields, did_you_mean
from batchrepo.mapping.entity import shown
from batchrepo.plan.naming import names_of

if TYPE_CHECKING:
    from pydantic import BaseModel

MAX_LENGTH = 4_000
"""How many characters the text of a fieldset may have."""

MAX_NAMES = 200
"""How many names may be in it, repetitions included."""

MAX_DEPTH = 10
"""How deep relations may be nested in it."""


class Fieldset(Mapping[str, "Fieldset | None"]):
    """Which fields of a view are asked for: for each name, what is asked for below it, or None for all of it.

    Equal fieldsets are equal whatever the order they were written in; ``str()`` gives the one text that all of
    them have.

    Args:
        names: what is asked for below each name, or None.

    Raises:
        InvalidFields: there are no names, or something else than names.
    """

    __slots__ = ("_hash", "_names")

    def __init__(self, names: Mapping[str, Fieldset | None]) -> None:
        if not names:
            raise InvalidFields(
                "fields: expected at least one name, such as 'id'; leave it out for all fields."
            )
        given: Mapping[Any, Any] = names
        for name, below in given.items():
            if not isinstance(name, str) or not isinstance(below, Fieldset | None):
                raise InvalidFields(
                    f"Fieldset() expects names with a Fieldset or None each; got {name!r:.100}: {shown(below)}."
                )
        self._names = dict(sorted(names.items()))
        self._hash = hash(tuple(self._names.items()))

    def __getitem__(self, name: str) -> Fieldset | None:
        return self._names[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Fieldset) and self._hash == other._hash and self._names == other._names

    def __hash__(self) -> int:
        return self._hash

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._names,)  # hashes of texts differ from process to process

    def __str__(self) -> str:
        return ",".join(name if below is None else f"{name}({below})" for name, below in self.items())

    def __repr__(self) -> str:
        return f"<Fieldset {self}>"


def read_fields(fields: str | Fieldset | None) -> Fieldset | None:
    """The fieldset that a caller gives as ``fields=``; None for all fields.

    Raises:
        InvalidFields: it is no fieldset, or a text that is none.
    """
    return fields if fields is None or isinstance(fields, Fieldset) else parse_fields(fields)


def parse_fields(text: str) -> Fieldset:
    """The fieldset that a text stands for, such as ``id,title,artist(name),tracks(name,genre(name))``.

    Raises:
        InvalidFields: the text is none, or too long, too deep or too wide; the message says what and where.
    """
    if not isinstance(text, str):
        raise InvalidFields(f"fields= expects a text, such as 'id,title,artist(name)'; got {shown(text)}.")
    if len(text) > MAX_LENGTH:
        raise InvalidFields(f"fields: the text has {len(text)} characters; at most {MAX_LENGTH} are read.")
    return _parsed(text)


def check_fields(fieldset: Fieldset, view: type[BaseModel], *, by_alias: bool = True) -> None:
    """Check that a view has all fields that are asked for.

    Args:
        fieldset: what is asked for.
        view: the allow-list: only the names in its JSON can be had.
        by_alias: whether fields have their (serialization) aliases as names.

    Raises:
        InvalidFields: a name is not among them, or has no fields of its own; the message has the near names.
    """
    _check(fieldset, view, by_alias, "")


def _check(fieldset: Fieldset, view: type[BaseModel], by_alias: bool, path: str) -> None:
    names = names_of(view, by_alias=by_alias)
    for name, below in fieldset.items():
        if name not in names:
            raise InvalidFields(
                f"fields: {view.__name__} has no field {_quoted(name)}{f' (in {path[:-1]})' if path else ''}."
                f"{did_you_mean(name[:100], names)}"
            )
        if below is None:
            continue
        models = [named.model for named in names[name] if named.model is not None]
        if not models:
            raise InvalidFields(
                f"fields: {path}{name} of {view.__name__} is a value, which has no fields. Write {name!r} alone."
            )
        for model in models:
            _check(below, model, by_alias, f"{path}{name}.")


_Tree: TypeAlias = "dict[str, _Tree | None]"

_TOKEN = re.compile(r"[(),.]|[^\s(),.]+")


@lru_cache(maxsize=256)
def _parsed(text: str) -> Fieldset:
    parser = _Parser(text)
    for found in _TOKEN.finditer(text):
        parser.take(found[0], found.start())
    return _fieldset(parser.end())


class _Parser:
    """Takes a text word by word and says where it goes wrong."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.root: _Tree = {}
        self.tree = self.root
        # What is open around `tree`: the tree outside, and the place of the parenthesis, or None after a dot.
        self.open: list[tuple[_Tree, int | None]] = []
        # The name just read, of which it is not known yet whether something follows.
        self.name: str | None = None
        self.name_comes = True
        self.names = 0

    def take(self, word: str, at: int) -> None:
        if self.name_comes:
            self._take_name(word, at)
        elif word == ",":
            self._end_item()
            self.name_comes = True
        elif word == ")":
            self._end_group(at)
        elif word in ("(", ".") and self.name is not None:
            self._descend(self.name, at if word == "(" else None, at)
        else:
            expected = "',', '.', '(' or ')'" if self.name is not None else "',' or ')'"
            raise self._wrong(f"expected {expected}, but found {_quoted(word)}", at)

    def end(self) -> _Tree:
        if self.name_comes:
            raise self._wrong("expected a name, but the text ends", len(self.text))
        self._end_item()
        if self.open:
            raise self._wrong("a parenthesis is never closed", self.open[-1][1] or 0)
        return self.root

    def _take_name(self, word: str, at: int) -> None:
        if word in ("(", ")", ",", "."):
            raise self._wrong(f"expected a name, but found {_quoted(word)}", at)
        self.names += 1
        if self.names > MAX_NAMES:
            raise self._wrong(f"more than {MAX_NAMES} names", at)
        self.name = word
        self.name_comes = False

    def _descend(self, name: str, parenthesis: int | None, at: int) -> None:
        if len(self.open) >= MAX_DEPTH:
            raise self._wrong(f"nested deeper than {MAX_DEPTH} levels", at)
        self.open.append((self.tree, parenthesis))
        below = self.tree.setdefault(name, {})
        self.tree = {} if below is None else below  # all of it is asked for already
        self.name = None
        self.name_comes = True

    def _end_item(self) -> None:
        if self.name is not None:
            self.tree[self.name] = None
            self.name = None
        while self.open and self.open[-1][1] is None:
            self.tree, _ = self.open.pop()

    def _end_group(self, at: int) -> None:
        self._end_item()
        if not self.open:
            raise self._wrong("this parenthesis closes nothing", at)
        self.tree, _ = self.open.pop()

    def _wrong(self, what: str, at: int) -> InvalidFields:
        near = self.text[max(0, at - 20) : at + 20]
        return InvalidFields(
            f"fields: {what} at character {at + 1}, near {near!r}. Write names with commas between them, and "
            f"what is wanted of a relation in parentheses: 'id,title,artist(name)'.",
            position=at,
        )


def _quoted(word: str) -> str:
    return repr(word if len(word) <= 40 else f"{word[:40]}...")


def _fieldset(tree: _Tree) -> Fieldset:
    return Fieldset({name: None if below is None else _fieldset(below) for name, below in tree.items()})
