"""What a benchmark is made of: workloads, the stacks that answer them, and targets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from benchmarks.data import Dataset

Request = Callable[[], Awaitable[Any]]
"""Answers the workload once."""


@dataclass(frozen=True)
class Stack:
    """One way to answer a workload.

    Attributes:
        name: in tables and results.
        what: how it is set up, in one line, so that a reader can judge whether it is fair.
        open: makes engine and pool, once; the request is then made many times.
        slow: so slow that it runs in every tenth round only, and not under valgrind.
        case: which of the workload's requests it answers, where there are several.
        needs: why it cannot be measured here, such as a package that is not installed; "" where it can.
    """

    name: str
    what: str
    open: Callable[[Dataset], AbstractAsyncContextManager[Request]]
    slow: bool = False
    case: str = ""
    needs: str = ""


async def _nothing() -> None: ...


async def _the_answer(answer: Any) -> Any:
    return answer


@dataclass(frozen=True)
class Ground:
    """What requests read or write, the same for every stack.

    Attributes:
        dataset: where it is.
        reset: makes it as it was before any request; called before each one and not measured.
        left: what must be equal between stacks, from a plain answer: what a write left behind.
    """

    dataset: Dataset
    reset: Callable[[], Awaitable[None]] = _nothing
    left: Callable[[Any], Awaitable[Any]] = _the_answer


@asynccontextmanager
async def as_filled(dataset: Dataset) -> AsyncIterator[Ground]:
    """The ground of requests that only read."""
    yield Ground(dataset)


@dataclass(frozen=True)
class Measured:
    """What was measured of one stack.

    Attributes:
        times: wall time of each request, in ms.
        cpu: CPU time of this process for each request, in ms.
        instructions: millions of instructions of this process per request, or None.
        server: CPU time of the database's processes for each request, in ms; empty where it is not known.
    """

    times: list[float]
    cpu: list[float]
    instructions: float | None = None
    server: list[float] = field(default_factory=list)


M = TypeVar("M")


@dataclass(frozen=True)
class Target(Generic[M]):
    """A promise about a workload, of which each stack was measured as an `M`.

    Attributes:
        name: in tables and results.
        value: computes it from what was measured, by stack; None where that was not measured.
        at_most: the bound from above, or None.
        at_least: the bound from below, or None.
    """

    name: str
    value: Callable[[dict[str, M]], float | None]
    at_most: float | None = None
    at_least: float | None = None

    @property
    def said(self) -> str:
        """The promise in words: its name and its bounds."""
        bounds = [f"<= {self.at_most:g}"] if self.at_most is not None else []
        bounds += [f">= {self.at_least:g}"] if self.at_least is not None else []
        return f"{self.name} {' and '.join(bounds)}"

    def met(self, value: float | None) -> bool | None:
        """Whether a value keeps the promise; None where there is none."""
        if value is None:
            return None
        return (self.at_most is None or value <= self.at_most) and (
            self.at_least is None or value >= self.at_least
        )


@dataclass(frozen=True)
class Workload:
    """One request, and all that answer it; or a few requests that are compared with each other, its cases.

    Attributes:
        name: in tables and results.
        title: what the request is.
        stacks: in the order of the table.
        baselines: the name of the stack that the others are compared with, one for each case.
        plain: turns any stack's answer into what must be equal between stacks.
        targets: the promises.
        ground: opens what the requests read or write.
        weight: of how many requests one of these has the length: so many times fewer are made, and where
            it is more than 1, none under valgrind.
    """

    name: str
    title: str
    stacks: Sequence[Stack]
    baselines: Sequence[str]
    plain: Callable[[Any], Any]
    targets: Sequence[Target[Measured]]
    ground: Callable[[Dataset], AbstractAsyncContextManager[Ground]] = as_filled
    weight: int = 1

    @property
    def measurable(self) -> Sequence[Stack]:
        """The stacks that need nothing that is missing here."""
        return [stack for stack in self.stacks if not stack.needs]

    def stack(self, name: str) -> Stack:
        """The stack with this name."""
        return next(stack for stack in self.stacks if stack.name == name)

    def baseline_of(self, stack: Stack) -> str:
        """The name of the stack that this one is compared with."""
        return next(name for name in self.baselines if self.stack(name).case == stack.case)
