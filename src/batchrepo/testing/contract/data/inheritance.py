"""Data for targets and owners with subclasses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st

from batchrepo.testing.contract.data.building import KEYS, Row, Rows, keyed, names, ranks, reference, table

if TYPE_CHECKING:
    from collections.abc import Iterable

SAMPLE: Rows = {
    "garage": table("id name", (1, "North"), (0, "South"), (2, "Empty")),
    "wheel": table("id size", (1, 15), (0, 17)),
    "vehicle": table(
        "id kind name garage_id",
        (1, "car", "Same", 1),
        (2, "truck", "Same", 1),
        (3, "vehicle", "Cart", 1),
        (0, "car", "Nought", 0),
        (4, "truck", "Homeless", None),
        (5, "car", "Spare less", 1),
        (6, "car", "Parked nowhere", None),
        (7, "truck", "Without trailers", 0),
    ),
    "car": table("id doors spare_id", (1, 4, 1), (0, 2, 0), (5, 3, None), (6, 1, 1)),
    "truck": table("id payload", (2, 500), (4, 0), (7, 1)),
    "trailer": table("id axles truck_id", (1, 1, 2), (2, 2, 2), (3, 1, 4), (0, 3, None)),
    "driver": table(
        "id name vehicle_id car_id",
        (1, "Ann", 1, 1),
        (2, "Bob", 2, 0),
        (3, "Cid", 3, None),
        (4, "Dan", None, 5),
    ),
    "office": table("id name", (1, "Harbour"), (0, "Hill"), (2, "Empty")),
    "staff": table(
        "id role name office_id budget language manager_id",
        (1, "manager", "Mia", 1, 100, None, None),
        (0, "manager", "Max", 0, None, None, None),
        (2, "engineer", "Eva", 1, None, "sql", 1),
        (3, "engineer", "Edd", 1, None, "sql", 1),
        (4, "engineer", "Elk", 1, None, None, 0),
        (5, "staff", "Sue", None, None, None, None),
        (6, "engineer", "Odd", 0, None, "c", 5),
        (7, "manager", "Alone", None, 0, None, None),
        (8, "engineer", "Far", None, None, "c", 3),
    ),
    "project": table(
        "id title sponsor_id lead_id",
        (1, "Led", 1, 2),
        (2, "Led by a manager", 2, 1),
        (3, "Led by staff", 5, 5),
        (4, "Free", None, None),
        (5, "Nought", 0, 3),
    ),
}
"""Rows of every class in one collection; keys that lead to a row of another class than the relation names."""

STAFF_KEYS = (*KEYS, 10, 11)


@st.composite
def rows(draw: st.DrawFn) -> Rows:
    """Any small set of garages and offices."""
    return draw(_garages()) | draw(_offices())


@st.composite
def _garages(draw: st.DrawFn) -> Rows:
    garages = draw(keyed("id", name=names))
    wheels = draw(keyed("id", size=st.integers(0, 2)))
    vehicles = draw(
        keyed(
            "id",
            at_most=6,
            kind=st.sampled_from(["vehicle", "car", "truck"]),
            name=names,
            garage_id=reference(garages),
        )
    )
    cars = [
        {"id": row["id"], "doors": draw(st.integers(0, 2)), "spare_id": draw(reference(wheels))}
        for row in _of_class(vehicles, "kind", "car")
    ]
    trucks = [
        {"id": row["id"], "payload": draw(st.integers(0, 2))} for row in _of_class(vehicles, "kind", "truck")
    ]
    return {
        "garage": garages,
        "wheel": wheels,
        "vehicle": vehicles,
        "car": cars,
        "truck": trucks,
        "trailer": draw(keyed("id", axles=st.integers(0, 2), truck_id=reference(trucks))),
        "driver": draw(keyed("id", name=names, vehicle_id=reference(vehicles), car_id=reference(cars))),
    }


@st.composite
def _offices(draw: st.DrawFn) -> Rows:
    offices = draw(keyed("id", name=names))
    staff: list[Row] = []
    for row in draw(
        keyed(
            "id",
            STAFF_KEYS,
            at_most=7,
            role=st.sampled_from(["staff", "manager", "engineer"]),
            name=names,
            office_id=reference(offices),
        )
    ):
        role = row["role"]
        staff.append(
            row
            | {
                "budget": draw(ranks) if role == "manager" else None,
                "language": draw(st.none() | names) if role == "engineer" else None,
                "manager_id": draw(reference(staff)) if role == "engineer" else None,
            }
        )
    return {
        "office": offices,
        "staff": staff,
        "project": draw(keyed("id", title=names, sponsor_id=reference(staff), lead_id=reference(staff))),
    }


def _of_class(rows: Iterable[Row], discriminator: str, value: str) -> list[Row]:
    return [row for row in rows if row[discriminator] == value]
