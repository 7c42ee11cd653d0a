"""Consistency tokens of operations: what they must see, and what those after them must."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from batchrepo.errors import ScopeError
from batchrepo.integrations.tokens import usable
from batchrepo.routing import Consistency, ConsistencyToken

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchrepo.routing import TokenCodec
    from batchrepo.scope import Scope

KEY = "consistencyToken"
"""Under which name a token is in ``extensions`` of a request, and of an answer."""


class OperationTokens:
    """The tokens of one operation, or of all events of a subscription.

    Args:
        codec: reads and writes them.
        shared: what the scopes of the HTTP request must have seen, those of the operation among them; None without one.
        context: the GraphQL context.
        sent: the token that the client has sent with the operation, as it came.
        find: finds another one in the context; a function, async or not.
    """

    def __init__(
        self,
        codec: TokenCodec,
        shared: Consistency | None,
        context: Any,
        *,
        sent: object,
        find: Callable[[Any], Any] | None,
    ) -> None:
        self._codec = codec
        # One for all scopes: what a subscription's generator writes, the event that it gives must see.
        self._consistency = shared if shared is not None else Consistency()
        self._told = self._consistency.commits
        self._context = context
        self._sent = usable(sent, codec)
        self._find = find

    async def required(self) -> Consistency:
        """What a scope that is opened now must have seen.

        Raises:
            ScopeError: the application's function gives something else than a token.
        """
        for token in (self._sent, await self._found()):
            if token is not None and not token.expired(self._codec.seconds):
                self._consistency.require(token)
        return self._consistency

    @property
    def has_news(self) -> bool:
        """Whether something was written that no answer has told of."""
        return self._consistency.commits > self._told

    async def news(self, scope: Scope) -> dict[str, str]:
        """What an answer that goes out now says of it in its extensions.

        Args:
            scope: one of those that share it.
        """
        self._told = self._consistency.commits
        token = await scope.consistency_token()
        return {KEY: self._codec.write(token)} if token is not None else {}

    async def _found(self) -> ConsistencyToken | None:
        if self._find is None:
            return None
        found = self._find(self._context)
        if inspect.isawaitable(found):
            found = await found
        if not isinstance(found, str | ConsistencyToken | None):
            raise ScopeError(
                f"ScopeExtension(token=...) gave {found!r:.100}. Expected a ConsistencyToken, its text, or None."
            )
        return usable(found, self._codec)
