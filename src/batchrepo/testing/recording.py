"""Records the batches that go out, for tests that assert work and not only results."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from batchrepo.database import Database
from batchrepo.events import BatchEvent, RoundEvent, observe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from batchrepo.events import Event
    from batchrepo.scope import Scope


class Batches:
    """The batches that went out while they were recorded.

    A round's batches run side by side and may end in any order; here they stand in the order in which they
    went out, which is the order in which they were asked for.

    Attributes:
        rounds: for each round, sub-rounds included, its batches as pairs of loader name and number of keys.
        ended: the batches that have ended, as events with time and failure, in the order of their ends.
    """

    def __init__(self) -> None:
        self.rounds: list[tuple[tuple[str, int], ...]] = []
        self.ended: list[BatchEvent] = []

    @property
    def sizes(self) -> list[int]:
        """The number of keys of each batch: ``[60]`` is one batch of sixty."""
        return [size for batches in self.rounds for _, size in batches]

    @property
    def names(self) -> list[str]:
        """The loader of each batch."""
        return [name for batches in self.rounds for name, _ in batches]

    def of(self, loader: str) -> list[int]:
        """The numbers of keys of one loader's batches, such as ``of("Album.tracks")``."""
        return [size for batches in self.rounds for name, size in batches if name == loader]

    def note(self, event: Event) -> None:
        """Record an event; statements are not recorded."""
        if isinstance(event, RoundEvent):
            self.rounds.append(event.batches)
        elif isinstance(event, BatchEvent):
            self.ended.append(event)

    def __repr__(self) -> str:
        """Each round in brackets, for failure messages."""
        rounds = "".join(
            f" [{', '.join(f'{name}: {size}' for name, size in batches)}]" for batches in self.rounds
        )
        return f"<Batches in {len(self.rounds)} rounds{':' if rounds else ''}{rounds}>"


@contextmanager
def capture_batches(source: Database | Scope | None = None) -> Iterator[Batches]:
    """Records the batches that go out while the block runs.

    ::

        with capture_batches() as seen:
            await asyncio.gather(*(scope.related(album, Album.artist) for album in albums))
        assert seen.sizes == [60]

    Args:
        source: a scope; or a Database, of which the scopes that are opened in the block count; None records
            all scopes of the process, and loaders that belong to no scope.

    Yields:
        What was recorded so far; it stays readable after the block.
    """
    seen = Batches()
    stop = _listen(source, seen.note)
    try:
        yield seen
    finally:
        stop()


def _listen(source: Database | Scope | None, listener: Callable[[Event], None]) -> Callable[[], None]:
    if source is None:
        return observe(listener)
    listening = True

    def while_listening(event: Event) -> None:
        if listening:
            listener(event)

    def stop() -> None:
        nonlocal listening
        listening = False  # scopes that are still open keep the listeners they were opened with
        end()

    if isinstance(source, Database):
        end = source.on_event(while_listening)
    else:
        log = source.events
        log.listeners = (*log.listeners, while_listening)

        def end() -> None:
            log.listeners = tuple(known for known in log.listeners if known is not while_listening)

    return stop
