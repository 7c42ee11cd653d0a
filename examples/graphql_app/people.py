"""The GraphQL types of those who buy and sell."""

from __future__ import annotations

from strawberry import auto, relay

from batchrepo.integrations.strawberry import Connection, attribute, field, repository_type
from examples.chinook.models import Employee
from examples.chinook.repositories import (
    CustomerRepository,
    EmployeeRepository,
    InvoiceLineRepository,
    InvoiceRepository,
)
from examples.graphql_app.music import TrackType


@repository_type(EmployeeRepository)
class EmployeeType(relay.Node):
    """Someone who works at the store, and what the customers bought whom they look after."""

    database_id: int = attribute(Employee.id)
    first_name: auto
    last_name: auto
    title: auto
    report_count: auto
    customer_count: auto
    invoice_count: auto
    sales: auto
    reports_to: EmployeeType | None
    reports: Connection[EmployeeType]
    customers: Connection[CustomerType]
    invoices: Connection[InvoiceType]

    @field(requires=("first_name", "last_name"), description="First and last name.")
    def full_name(self) -> str:
        """A field of one's own; what it requires is read with the rest."""
        return f"{self.first_name} {self.last_name}"


@repository_type(CustomerRepository)
class CustomerType(relay.Node):
    """A customer, and what all their invoices come to."""

    first_name: auto
    last_name: auto
    company: auto
    country: auto
    invoice_count: auto
    total_spent: auto
    support_rep: EmployeeType | None
    latest_invoice: InvoiceType | None
    invoices: Connection[InvoiceType]


@repository_type(InvoiceRepository)
class InvoiceType(relay.Node):
    """What a customer bought at one time."""

    invoice_date: auto
    billing_country: auto
    total: auto
    line_count: auto
    customer: CustomerType
    lines: Connection[InvoiceLineType]


@repository_type(InvoiceLineRepository)
class InvoiceLineType(relay.Node):
    """One track of an invoice."""

    quantity: auto
    unit_price: auto
    track: TrackType
