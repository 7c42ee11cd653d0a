"""What of an operation passed through, for its report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphql.pyutils import Path


class Notes:
    """Says of each place whose objects come from rows what the executor does there.

    A place is a path of response keys, without the positions in lists.
    """

    def __init__(self) -> None:
        self._why_not: dict[str, dict[str, str]] = {}
        self._misfits: dict[str, int] = {}
        self._written: dict[str, str | None] = {}
        self._refusal: str | None = None

    def refused(self, reason: str) -> None:
        """Nothing passes."""
        self._refusal = reason

    def place(self, path: str, why_not: dict[str, str]) -> None:
        """What is known before anything is completed: reasons by the fields below, none where objects pass."""
        self._why_not.setdefault(path, why_not)

    def whole(self, path: Path, why_not: str | None) -> None:
        """Whether all of a root field's answer may be written by one statement."""
        self._written[".".join(step for step in path.as_list() if isinstance(step, str))] = why_not

    def misfit(self, path: str) -> None:
        """An object, or a list of them, had what cannot pass: a value of another type, or something to be loaded."""
        self._misfits[path] = self._misfits.get(path, 0) + 1

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        if self._refusal is not None:
            return {"why_not": self._refusal, "places": [], "whole": []}
        return {
            "why_not": None,
            "places": [
                {"path": path, "why_not": why_not, "misfits": self._misfits.get(path, 0)}
                for path, why_not in self._why_not.items()
            ],
            "whole": [{"path": path, "why_not": why_not} for path, why_not in self._written.items()],
        }
