"""Every query of a run, one by one."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from upperbound.api.errors import READ, problem_responses
from upperbound.api.parameters import PAGE_SIZE_MAX, Paged, RunId, Text
from upperbound.api.services import Services, in_thread
from upperbound.domain.executions import ExecutionFilter, ExecutionOrder
from upperbound.domain.outcomes import Outcome
from upperbound.domain.phases import Phase
from upperbound.scenario.kinds import OperationKind
from upperbound.views.query_log import QueryExecution, load_executions

router = APIRouter(prefix="/api/tests/{test_id}", tags=["results"])

OUTCOMES = tuple(outcome.label for outcome in Outcome)
Milliseconds = Annotated[float | None, Field(ge=0, le=1e9, allow_inf_nan=False)]
Seconds = Annotated[float | None, Field(ge=0, le=1e9, allow_inf_nan=False)]


class Wanted(BaseModel):
    """Which queries, in which order."""

    model_config = ConfigDict(frozen=True)

    kind: Annotated[list[OperationKind], Field(description="Any of these kinds.")] = []
    operation: Annotated[list[Text], Field(max_length=50, description="Any of these operations.")] = []
    outcome: Annotated[
        list[Annotated[str, Field(pattern=f"^({'|'.join(OUTCOMES)})$")]], Field(description="Any of these outcomes.")
    ] = []
    failed: Annotated[bool | None, Field(description="Those that failed, or those that did not.")] = None
    worker_id: Annotated[str | None, Field(pattern=r"^worker-[0-9]{1,6}$", description="Of this worker.")] = None
    phase: Annotated[Phase | None, Field(description="Of this phase.")] = None
    min_ms: Annotated[Milliseconds, Field(description="At least so long; response time if a rate was offered.")] = None
    max_ms: Annotated[Milliseconds, Field(description="At most so long.")] = None
    from_s: Annotated[Seconds, Field(description="Started then or later, from when the first query was due.")] = None
    to_s: Annotated[Seconds, Field(description="Started before then.")] = None
    sort: Annotated[ExecutionOrder, Field(description="In this order.")] = ExecutionOrder.STARTED
    descending: Annotated[bool, Field(description="The highest first.")] = False
    page: Annotated[int, Field(ge=1, le=1_000_000, description="Which page, from 1.")] = 1
    page_size: Annotated[int, Field(ge=1, le=PAGE_SIZE_MAX, description="Entries of a page.")] = 50

    def filter(self) -> ExecutionFilter:
        """Return which queries are wanted."""
        return ExecutionFilter(
            kinds=tuple(self.kind),
            operations=tuple(self.operation),
            outcomes=tuple(self.outcome),
            failed=self.failed,
            worker_id=self.worker_id,
            phase=self.phase,
            min_ms=self.min_ms,
            max_ms=self.max_ms,
            from_s=self.from_s,
            to_s=self.to_s,
        )


class ExecutionPage(Paged[QueryExecution]):
    """A part of the queries that were asked for."""

    note: str | None
    """Why there are none, when the log cannot be read here."""


@router.get("/query-executions", summary="Queries one by one", responses=problem_responses(*READ, 404, 409))
async def query_executions(test_id: RunId, services: Services, wanted: Annotated[Wanted, Query()]) -> ExecutionPage:
    """Return queries that all the filters let pass; there are none before the load is over."""
    offset, size = (wanted.page - 1) * wanted.page_size, wanted.page_size
    find = partial(load_executions, services.store, test_id, wanted.filter(), home=services.home)
    found = await in_thread(find, order=wanted.sort, descending=wanted.descending, limit=size, offset=offset)
    return ExecutionPage(
        items=found.executions,
        page=wanted.page,
        page_size=size,
        total=found.total,
        pages=-(-found.total // size),
        note=found.note,
    )
