"""The people of the store: those who work there and those who buy."""

from __future__ import annotations

from fastapi import APIRouter

from batchrepo.integrations.fastapi import Provide, problems
from examples.chinook.models import Customer, Employee
from examples.chinook.repositories import CustomerRepository, EmployeeRepository
from examples.chinook.views import CustomerView, EmployeeView
from examples.fastapi_app.parameters import Id, Limit

router = APIRouter(tags=["people"])


@router.get("/employees")
async def list_employees(employees: Provide[EmployeeRepository]) -> list[EmployeeView]:
    """All employees: whom they report to, who reports to them, how many customers they look after."""
    return await employees.find(EmployeeView, order_by=Employee.id)


@router.get("/customers")
async def list_customers(customers: Provide[CustomerRepository], limit: Limit = 20) -> list[CustomerView]:
    """Customers with what they spent, and their latest invoice."""
    return await customers.find(CustomerView, order_by=(Customer.last_name, Customer.id), limit=limit)


@router.get("/customers/{customer_id}", responses=problems(404))
async def get_customer(customer_id: Id, customers: Provide[CustomerRepository]) -> CustomerView:
    """One customer."""
    return await customers.get(customer_id, CustomerView)
