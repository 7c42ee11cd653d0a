"""Related lists whose rows are linked by their own primary key, or by a part of it."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from fastapi import FastAPI
from pydantic import BaseModel
from sqlalchemy import ForeignKey, insert
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from batchrepo import Database, Page, Repository, eq, ge, include
from batchrepo.integrations.fastapi import install, related, resource


class Base(DeclarativeBase):
    pass


class Person(Base):
    __tablename__ = "person"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    accounts: Mapped[list[Account]] = relationship(order_by="Account.email")
    notes: Mapped[list[Note]] = relationship(order_by="Note.number")


class Account(Base):
    """At most one for each person, and a list all the same."""

    __tablename__ = "account"

    id: Mapped[int] = mapped_column(ForeignKey("person.id"), primary_key=True, autoincrement=False)
    email: Mapped[str]


class Note(Base):
    __tablename__ = "note"

    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)


class People(Repository[Person]):
    pass


class Accounts(Repository[Account]):
    sortable = (Account.id, Account.email)
    filterable = {Account.id: (eq, ge)}  # noqa: RUF012


class Notes(Repository[Note]):
    sortable = (Note.person_id, Note.number)
    filterable = {Note.person_id: (eq,), Note.number: (ge,)}  # noqa: RUF012


class AccountView(BaseModel):
    id: int
    email: str


class NoteView(BaseModel):
    person_id: int
    number: int


class PersonView(BaseModel):
    name: str
    accounts: Annotated[Page[AccountView], include(Person.accounts, first=1, total="exact")]
    notes: Annotated[Page[NoteView], include(Person.notes, first=2, total="exact")]


@pytest.fixture
async def http(database_url, client):
    async with Database(database_url, repositories=[People, Accounts, Notes]) as database:
        async with database.engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
            await connection.execute(insert(Person), [{"id": i, "name": f"n{i}"} for i in (1, 2, 3)])
            await connection.execute(insert(Account), [{"id": i, "email": f"{i}@x"} for i in (1, 2)])
            notes = [{"person_id": i, "number": number} for i in (1, 2) for number in range(5)]
            await connection.execute(insert(Note), notes)
        app = FastAPI()
        install(app, database)
        below = {
            "accounts": related(Person.accounts, AccountView, repository=Accounts),
            "notes": related(Person.notes, NoteView, repository=Notes),
        }
        app.include_router(resource(People, view=PersonView, prefix="/people", related=below))
        async with client(app) as opened:
            yield opened


async def walked(http: Any, url: str) -> list[list[Any]]:
    """The items of all pages from a URL on, as lists of their values."""
    found: list[list[Any]] = []
    while url:
        answer = await http.get(url)
        assert answer.status_code == 200, answer.text
        found += [list(item.values()) for item in answer.json()["items"]]
        url = answer.links.get("next", {}).get("url", "")
    return found


async def test_they_are_lists_like_others(http):
    assert await walked(http, "/people/2/accounts") == [[2, "2@x"]]
    assert await walked(http, "/people/2/accounts?sort=-id&id__ge=2&fields=email") == [["2@x"]]
    assert await walked(http, "/people/2/accounts?id=1") == []
    assert (await http.get("/people/3/accounts?total=exact")).json()["total"] == 0
    assert await walked(http, "/people/2/notes?first=2") == [[2, number] for number in range(5)]
    down = "/people/2/notes?first=2&sort=-person_id,-number&number__ge=1&fields=number"
    assert await walked(http, down) == [[4], [3], [2], [1]]
    assert await walked(http, "/people/2/notes?person_id=1") == []
    assert (await http.get("/people/2/notes?first=1&total=exact")).json()["total"] == 5


async def test_pages_of_them_in_a_view(http):
    people = (await http.get("/people")).json()["items"]
    accounts = [person["accounts"] for person in people]
    notes = [person["notes"] for person in people]
    assert [page["items"] for page in accounts] == [[{"id": i, "email": f"{i}@x"}] for i in (1, 2)] + [[]]
    assert [[note["number"] for note in page["items"]] for page in notes] == [[0, 1], [0, 1], []]
    assert [page["total"] for page in accounts] == [1, 1, 0]
    assert [(page["total"], page["has_next"]) for page in notes] == [(5, True), (5, True), (0, False)]
    after = f"/people/2/notes?first=2&after={notes[1]['end_cursor']}"
    assert await walked(http, after) == [[2, 2], [2, 3], [2, 4]]
