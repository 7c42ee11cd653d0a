"""Documents that were parsed and found valid, kept for the next operations with the same text.

Strawberry's `ParserCache` and `ValidationCache` do the same, each for itself. They are not used, since the
first lets a syntax error end a subscription's stream with an exception instead of a result, the second
validates what limits refuse, and both are bounded by a number of documents, whatever their size.
"""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from graphql import DocumentNode
    from strawberry import Schema

CHARACTERS = 200_000
"""Characters of all texts that are kept for a schema. A parsed document takes 100 to 300 bytes for each."""


class Documents:
    """The valid documents of one schema, by their texts; the one that was not asked for the longest goes first.

    Threads may share it.

    Args:
        characters: of all texts together. One that is longer than an eighth of it is not kept.
    """

    def __init__(self, characters: int = CHARACTERS) -> None:
        self.characters = characters
        self._kept: OrderedDict[str, tuple[DocumentNode, tuple[Any, ...]]] = OrderedDict()
        self._used = 0
        self._lock = Lock()

    def find(self, text: str) -> tuple[DocumentNode, tuple[Any, ...]] | None:
        """The document of a text, and the rules that it was validated by; None where it is not kept."""
        found = self._kept.get(text)
        if found is not None:
            with self._lock:
                if text in self._kept:
                    self._kept.move_to_end(text)
        return found

    def keep(self, text: str, document: DocumentNode, rules: tuple[Any, ...]) -> None:
        """Keep a document that is valid by these rules."""
        if len(text) > self.characters // 8:
            return
        with self._lock:
            if self._kept.pop(text, None) is not None:
                self._used -= len(text)
            self._kept[text] = document, rules
            self._used += len(text)
            while self._used > self.characters:
                oldest, _ = self._kept.popitem(last=False)
                self._used -= len(oldest)

    def __len__(self) -> int:
        return len(self._kept)

    def __repr__(self) -> str:
        return f"<Documents {len(self)}, {self._used} of {self.characters} characters>"


_known: WeakKeyDictionary[Schema, Documents] = WeakKeyDictionary()


def documents_of(schema: Schema) -> Documents:
    """The documents that are kept for a schema."""
    found = _known.get(schema)
    if found is None:
        found = _known[schema] = Documents()
    return found
