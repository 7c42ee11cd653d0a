"""What a schema needs to read from a Database: scopes, limits, parsed documents, codes of errors."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy.exc import SQLAlchemyError
from strawberry.extensions import SchemaExtension
from strawberry.types.graphql import OperationType

from batchrepo.errors import BatchRepoError, DeclarationError
from batchrepo.integrations.strawberry.limits.limits import Limits
from batchrepo.integrations.strawberry.limits.refusing import Refusal, emptied, refused
from batchrepo.integrations.strawberry.operation.documents import documents_of
from batchrepo.integrations.strawberry.operation.errors import type_errors, typed_as_graphql
from batchrepo.integrations.strawberry.operation.preparing import prepare
from batchrepo.integrations.strawberry.operation.reporting import Reporting
from batchrepo.integrations.strawberry.operation.scopes import Scopes, subscribing
from batchrepo.integrations.strawberry.operation.tokens import KEY as TOKEN
from batchrepo.integrations.strawberry.types.checking import check_schema

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from graphql import GraphQLError
    from strawberry.utils.await_maybe import AwaitableOrValue

    from batchrepo.database import Database
    from batchrepo.integrations.strawberry.operation.tokens import OperationTokens
    from batchrepo.integrations.strawberry.passing.notes import Notes
    from batchrepo.scope import Scope


DEFAULT_LIMITS = Limits()
"""The limits where nobody says others."""


class ScopeExtension(SchemaExtension):
    """All that a schema needs: ``Schema(..., extensions=[lambda: ScopeExtension(database)])``.

    - Each operation has a scope. One that comes over HTTP to an application with the FastAPI plug takes part
      in its request: it uses the scope of the request where the context getter asked for ``Provide[Scope]``,
      and its statements count in the header in any case. Each event of a subscription has a scope of its own.
    - What asks for too much is refused before it is validated, and before anything is read.
    - Documents that were valid are kept, parsed, for the next operation with the same text.
    - Errors of batchrepo get a code in ``extensions``, such as ``NOT_FOUND``. Messages of the database never
      reach the client.
    - With replicas an operation that has written has its consistency token in ``extensions.consistencyToken`` of the
      answer. The next one, which has it in ``extensions`` of the request, sees what was written; over HTTP the cookie or
      the header of the request's middleware does the same.

    Args:
        database: where the operation reads.
        context: makes the scope's context from the GraphQL context; a function, async or not. Of a subscription
            it is asked for every event.
        look_ahead: read all that a root field selects by one plan. Without it each relation is loaded when it is
            asked for, still batched: the same answers, more rounds.
        pass_through: make parts of the answer of rows at once, where nothing but what was read by the plan is selected,
            instead of letting the executor visit every field: the same answers, sooner.
        strategy: how a root field is read whose whole answer passes through: by one statement that writes the answer
            (``"single"``) wherever the database can write it exactly, or as rows (``"batched"``). Default: by one statement
            where that pays.
        limits: how much one operation may ask for.
        report: who may see what was read, with the texts of the statements: a function that is asked with the
            GraphQL context, or True for everybody, while developing. They get it in ``extensions.batchrepo`` of
            the answer if they ask: by the header ``X-Batchrepo-Report: 1``, or by ``"extensions": {"batchrepo":
            true}`` in the request.
        transaction: of mutations: ``"field"`` gives each field one of its own, so that one that fails leaves the
            others alone; with ``"operation"`` all fields of an operation are committed together, or none is.
        token: finds the consistency token of an operation in the GraphQL context, where the client does not send it
            as said above: a function, async or not, that gives a `ConsistencyToken`, its text, or None. Of a
            subscription it is asked for every event.
    """

    def __init__(
        self,
        database: Database,
        *,
        context: Callable[[Any], Any] | None = None,
        look_ahead: bool = True,
        pass_through: bool = True,
        strategy: Literal["single", "batched"] | None = None,
        limits: Limits = DEFAULT_LIMITS,
        report: bool | Callable[[Any], bool] = False,
        transaction: Literal["field", "operation"] = "field",
        token: Callable[[Any], Any] | None = None,
    ) -> None:
        if transaction not in ("field", "operation"):
            raise DeclarationError(
                f'ScopeExtension(transaction=...) expects "field" or "operation"; got {transaction!r:.100}.'
            )
        if strategy not in (None, "single", "batched"):
            raise DeclarationError(
                f'ScopeExtension(strategy=...) expects "single", "batched" or None; got {strategy!r:.100}.'
            )
        self._database = database
        self._context = context
        self._look_ahead = look_ahead
        self._pass_through = pass_through
        self._strategy: Literal["single", "batched"] | None = strategy
        self._limits = limits
        self._reporting = Reporting(report)
        self._whole = transaction == "operation"
        self._token = token
        self._scopes: Scopes | None = None
        self._late = AsyncExitStack()
        self._kept: tuple[Any, tuple[Any, ...]] | None = None

    def __repr__(self) -> str:
        # Strawberry shows it where somebody calls execute_sync.
        return (
            "<ScopeExtension, which reads asynchronously: await schema.execute(...) instead of execute_sync>"
        )

    async def on_operation(self) -> AsyncIterator[None]:
        """Limit the text, and give errors their codes."""
        self.execution_context.parse_options.update(self._limits.parse_options)  # type: ignore[typeddict-item]
        async with self._late:
            yield
        type_errors(self.execution_context.result, self._limits)

    # --- before it runs -------------------------------------------------------------------------

    def on_parse(self) -> Iterator[None]:
        """Find the document among those that are kept, and refuse what asks for too much."""
        context = self.execution_context
        if context.graphql_document is None and context.query:
            self._kept = documents_of(context.schema).find(context.query)
            if self._kept is not None:
                context.graphql_document = self._kept[0]
        yield
        if context.graphql_document is not None:
            errors: Sequence[GraphQLError]
            try:
                check_schema(context.schema, self._database)
                errors = refused(context, self._limits, self._database.reading.catalog)
            except DeclarationError as error:
                errors = [typed_as_graphql(error)]
            if errors:
                # Whoever validates the document now, Strawberry or another extension, finds these errors, at no cost.
                self._kept = None
                context.graphql_document = emptied(context.graphql_document)
                context.validation_rules = (Refusal(tuple(errors)),)  # type: ignore[assignment]

    def on_validate(self) -> Iterator[None]:
        """What is kept is valid; keep what has been found valid."""
        context = self.execution_context
        document, rules = context.graphql_document, context.validation_rules
        kept, by_rules = self._kept or (None, ())
        if document is kept and rules == by_rules and context.pre_execution_errors is None:
            context.pre_execution_errors = []
            yield
            return
        yield
        if not context.pre_execution_errors and context.query and document is not None and rules:
            documents_of(context.schema).keep(context.query, document, rules)

    # --- while it runs --------------------------------------------------------------------------

    async def on_execute(self) -> AsyncIterator[None]:
        """Open the scope, run the operation, close the scope."""
        context = self.execution_context
        prepare(context.schema)
        scopes = self._scopes = Scopes(
            self._database,
            context.context,
            self._context,
            self._look_ahead,
            sent=(context.operation_extensions or {}).get(TOKEN),
            token=self._token,
            pass_through=self._pass_through,
            strategy=self._strategy,
        )
        if context.operation_type is OperationType.SUBSCRIPTION:
            before = subscribing.get()
            subscribing.set(scopes)
            try:
                yield
            finally:
                subscribing.set(before)
            return
        whole = self._whole and context.operation_type is OperationType.MUTATION
        opening: Any = scopes.of_mutations(self._take_back) if whole else scopes.of_operation()
        try:
            if context.schema.config.enable_experimental_incremental_execution:
                # Parts of the answer are read after this.
                await self._late.enter_async_context(opening)
                yield
            else:
                async with opening:
                    yield
        except (BatchRepoError, SQLAlchemyError) as error:
            # What goes wrong outside of a field, such as unsaved changes when the scope closes.
            raise typed_as_graphql(error) from error

    def _take_back(self) -> bool:
        """Whether a field has failed, so that nothing is committed; the answer has no data then."""
        result: Any = self.execution_context.result
        result = getattr(result, "initial_result", result)
        if not getattr(result, "errors", None):
            return False
        result.data = None
        return True

    async def on_stream_result(self, result: Any) -> AsyncIterator[None]:
        """End the scope of the event, and give the errors of its result their codes."""
        if self._scopes is not None:
            try:
                await self._scopes.close_event()
            except (BatchRepoError, SQLAlchemyError) as error:
                result.data, result.errors = None, [typed_as_graphql(error)]
        type_errors(result, self._limits)
        yield

    def get_results(self) -> AwaitableOrValue[dict[str, Any]]:
        """What was written, and the report of the statements for those who may see it and ask for it."""
        scopes = self._scopes
        if scopes is None or scopes.latest is None:
            return {}
        if scopes.tokens is not None and scopes.tokens.has_news:
            return self._with_token(scopes.tokens, scopes.latest, scopes.passed)
        return self._reporting.of(self.execution_context, scopes.latest, scopes.passed)

    async def _with_token(
        self, tokens: OperationTokens, scope: Scope, passed: Notes | None
    ) -> dict[str, Any]:
        # The token first: its statement is in the report.
        token = await tokens.news(scope)
        return {**token, **self._reporting.of(self.execution_context, scope, passed)}
