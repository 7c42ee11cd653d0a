"""Lists whose rows have totals of their own, beside the total of the list."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

import pytest
from fastapi import FastAPI
from pydantic import BaseModel

from batchrepo import Database, Page, Repository, capped, ge, include, total
from batchrepo.integrations.fastapi import install, related, resource
from examples.chinook.models import Customer, Employee, Invoice


class Totals(Repository[Customer]):
    total = total(Customer.invoices, Invoice.total)
    sortable = (total,)
    filterable = {total: (ge,)}  # noqa: RUF012


class Bills(Repository[Invoice]):
    sortable = (Invoice.total,)
    filterable = {Invoice.total: (ge,)}  # noqa: RUF012


class Staff(Repository[Employee]):
    pass


class Bill(BaseModel):
    id: int
    total: Decimal


class WithTotal(BaseModel):
    id: int
    total: Decimal


class WithBills(WithTotal):
    invoices: Annotated[Page[Bill], include(Customer.invoices, first=2, total="exact")]


class Rep(BaseModel):
    id: int
    customers: Annotated[Page[WithTotal], include(Employee.customers, first=2, total="exact")]


@pytest.fixture
async def http(chinook_url, client):
    async with Database(chinook_url, repositories=[Totals, Bills, Staff]) as database:
        app = FastAPI()
        install(app, database)
        totals = {"exact": "exact", "some": capped(10)}
        below = {"invoices": related(Customer.invoices, Bill, repository=Bills)}
        app.include_router(
            resource(Totals, view=WithBills, prefix="/customers", totals=totals, related=below)
        )
        app.include_router(resource(Totals, view=WithTotal, prefix="/numbered", numbered=True))
        app.include_router(
            resource(
                Staff,
                view=Rep,
                prefix="/staff",
                related={"customers": related(Employee.customers, WithTotal, repository=Totals)},
            )
        )
        async with client(app) as opened:
            yield opened


@pytest.mark.parametrize(
    ("url", "total", "statements"),
    [
        ("/customers?total=exact", 59, 4),
        ("/customers?total=some&first=2", 10, 4),
        ("/customers?total=exact&total__ge=40&sort=-total", 14, 4),
        ("/customers?total=exact&fields=total", 59, 3),
        ("/numbered?total__ge=40&sort=total", 14, 3),
        ("/customers/1/invoices?total=exact&total__ge=5&sort=-total", 3, 3),
        ("/staff/3/customers?total=exact&sort=-total&first=3", 21, 4),
        ("/staff/3/customers?total=exact&total__ge=40&sort=-total&first=3", 6, 4),
        ("/staff?total=exact", 8, 5),
    ],
)
async def test_both_totals_are_right(http, url, total, statements):
    answer = await http.get(url)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["total"], answer.headers["X-Statements"]) == (total, str(statements)), url


async def test_totals_within_pages(http):
    first = (await http.get("/customers/1")).json()
    assert (first["total"], first["invoices"]["total"]) == ("39.62", 7)
    rep = (await http.get("/staff/3")).json()
    assert rep["customers"]["total"] == 21
    assert Decimal(rep["customers"]["items"][0]["total"]) == Decimal("39.62")
