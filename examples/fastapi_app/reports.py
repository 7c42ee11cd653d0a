"""Written by hand: a report that is made after the response has been sent, by a background task."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID, uuid4

from fastapi import APIRouter, BackgroundTasks, HTTPException, Path, Request, Response
from pydantic import BaseModel, Field

from batchrepo import column
from batchrepo.integrations.fastapi import Provide, problems
from examples.chinook.models import Customer, Employee, Invoice
from examples.chinook.repositories import InvoiceRepository

MOST = 100
"""So many reports are kept; a newer one takes the place of the oldest."""

Year = Annotated[
    int, Field(ge=2000, le=2100, description="The store sold from 2007 to 2011.", examples=[2009])
]
"""The year of a report."""


Key = Annotated[UUID, Path(description="The `id` that was given when the report was ordered.")]
"""Which report."""


class Order(BaseModel):
    """Which report is ordered."""

    year: Year


class Line(BaseModel):
    """What one employee sold to one country."""

    employee: str | None
    country: str
    invoices: int
    sales: Decimal


class Report(BaseModel):
    """Sales of a year by employee and country, the most first."""

    id: UUID
    year: int
    state: Literal["ordered", "ready", "failed"]
    lines: list[Line] = []


class Sale(BaseModel):
    """All that the report reads of an invoice: three columns, the last one behind two relations."""

    total: Decimal
    billing_country: str
    employee: Annotated[str | None, column(Invoice.customer, Customer.support_rep, Employee.last_name)]


class Reports:
    """The reports of an application, in memory."""

    def __init__(self) -> None:
        self._kept: OrderedDict[UUID, Report] = OrderedDict()

    def order(self, year: int) -> Report:
        """A new report, to be made."""
        report = Report(id=uuid4(), year=year, state="ordered")
        self._kept[report.id] = report
        if len(self._kept) > MOST:
            self._kept.popitem(last=False)
        return report

    def find(self, key: UUID) -> Report | None:
        """The report, if it is still kept."""
        return self._kept.get(key)


async def write(report: Report, invoices: InvoiceRepository) -> None:
    """Make a report. The request's scope is still open: it closes when its background tasks have run."""
    report.state = "failed"  # unless it ends well
    counted: defaultdict[tuple[str | None, str], list[Decimal]] = defaultdict(list)
    async for sale in invoices.stream(Sale, invoices.year(report.year)):
        counted[sale.employee, sale.billing_country].append(sale.total)
    lines = [
        Line(employee=employee, country=country, invoices=len(sales), sales=sum(sales, Decimal(0)))
        for (employee, country), sales in counted.items()
    ]
    report.lines = sorted(lines, key=lambda line: (-line.sales, line.employee or "", line.country))
    report.state = "ready"


def create_router() -> APIRouter:
    """The endpoints, with reports of their own."""
    router = APIRouter(prefix="/reports", tags=["By hand"])
    reports = Reports()

    @router.post("", status_code=202, summary="Order a sales report", responses=problems(400))
    async def order_report(
        order: Order,
        request: Request,
        response: Response,
        background: BackgroundTasks,
        invoices: Provide[InvoiceRepository],
    ) -> Report:
        """Answers at once, and makes the report afterwards. `Location` says where it will be."""
        report = reports.order(order.year)
        background.add_task(write, report, invoices)
        response.headers["Location"] = f"{request.url.path}/{report.id}"
        return report

    @router.get("/{report_id}", summary="Get a sales report", responses=problems(404))
    async def get_report(report_id: Key) -> Report:
        """A report that was ordered. It is `ready` after a moment; the newest hundred are kept."""
        report = reports.find(report_id)
        if report is None:
            raise HTTPException(404, "There is no such report, or not any more. Order it: POST /reports.")
        return report

    return router
