"""Who buys and who sells: customers, their invoices, and the employees behind them."""

from __future__ import annotations

from batchrepo.integrations.fastapi import related, resource
from examples.chinook.models import Customer, Employee, Invoice
from examples.chinook.repositories import (
    CustomerRepository,
    EmployeeRepository,
    InvoiceLineRepository,
    InvoiceRepository,
)
from examples.chinook.views import (
    CustomerItem,
    CustomerPage,
    CustomerView,
    EmployeeItem,
    EmployeeView,
    InvoiceItem,
    InvoicePage,
    InvoiceView,
    LineItem,
    Seller,
)

customers = resource(
    CustomerRepository,
    view=CustomerPage,
    list_view=CustomerView,
    prefix="/customers",
    tags=["Customers"],
    related={
        "invoices": related(Customer.invoices, InvoiceItem, repository=InvoiceRepository),
        "support-rep": related(Customer.support_rep, Seller),
    },
)

invoices = resource(
    InvoiceRepository,
    view=InvoicePage,
    list_view=InvoiceView,
    prefix="/invoices",
    tags=["Invoices"],
    related={
        "lines": related(Invoice.lines, LineItem, repository=InvoiceLineRepository),
        "customer": related(Invoice.customer, CustomerView),
    },
)

employees = resource(
    EmployeeRepository,
    view=EmployeeView,
    prefix="/employees",
    tags=["Employees"],
    related={
        "manager": related(Employee.reports_to, EmployeeItem),
        "reports": related(Employee.reports, Seller, repository=EmployeeRepository),
        "customers": related(Employee.customers, CustomerItem, repository=CustomerRepository),
        "invoices": related(Employee.invoices, InvoiceItem, repository=InvoiceRepository),
    },
)

ROUTERS = (customers, invoices, employees)
"""All routers of this module."""
