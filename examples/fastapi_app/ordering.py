"""Written by hand: an order, which is an invoice with its lines, in one transaction."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, HTTPException, Response
from pydantic import BaseModel, Field

from batchrepo import NotFound, Scope
from batchrepo.integrations.fastapi import Provide, problems
from examples.chinook.forms import Id
from examples.chinook.models import Invoice, InvoiceLine
from examples.chinook.repositories import CustomerRepository, InvoiceRepository, TrackRepository
from examples.chinook.views import InvoicePage
from examples.fastapi_app.trying import DryRun

router = APIRouter(tags=["By hand"])


class OrderLine(BaseModel):
    """How many of which track."""

    track_id: Id
    quantity: Annotated[int, Field(ge=1, le=100, examples=[2])]


class Order(BaseModel):
    """What a customer orders. What it costs is none of it."""

    customer_id: Id
    lines: Annotated[list[OrderLine], Field(min_length=1, max_length=100)]


@router.post(
    "/orders",
    status_code=201,
    summary="Place an order",
    response_model=InvoicePage,  # for this page only: the JSON goes out as it is
    responses=problems(400, 503),
)
async def place_order(
    order: Order,
    scope: Provide[Scope],
    customers: Provide[CustomerRepository],
    tracks: Provide[TrackRepository],
    invoices: Provide[InvoiceRepository],
    dry_run: DryRun = False,
) -> Response:
    """An invoice with its lines, at the prices that the tracks have now. `Location` says where it is.

    Either all of it is written or nothing: the transaction ends before the answer starts.
    """
    async with scope.transaction(dry_run=dry_run):
        try:
            customer = await customers.get(order.customer_id)
            prices = {
                track.id: track.unit_price
                for track in await tracks.get_many([line.track_id for line in order.lines])
            }
        except NotFound as error:
            raise HTTPException(422, str(error)) from error  # it is the order that is wrong, not the path
        lines = [
            InvoiceLine(track_id=line.track_id, quantity=line.quantity, unit_price=prices[line.track_id])
            for line in order.lines
        ]
        invoice = Invoice(
            customer_id=customer.id,
            invoice_date=dt.datetime.now(dt.UTC).replace(tzinfo=None),
            billing_address=customer.address,
            billing_city=customer.city,
            billing_state=customer.state,
            billing_country=customer.country,
            billing_postal_code=customer.postal_code,
            total=sum((line.unit_price * line.quantity for line in lines), Decimal(0)),
            lines=lines,
        )
        scope.add(invoice)
        await scope.flush()  # which gives it its id
        placed, key = await invoices.get_json(invoice.id, InvoicePage), invoice.id
    headers = {} if dry_run else {"Location": f"/invoices/{key}"}
    return Response(placed, 201, headers, "application/json")
