"""Targets and owners with subclasses, in joined tables and in a single table."""

from __future__ import annotations

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column, relationship

from batchrepo.testing.contract.models.base import Base


class Garage(Base):
    """Has vehicles of every class, and cars alone."""

    __tablename__ = "garage"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str]

    vehicles: Mapped[list[Vehicle]] = relationship(
        back_populates="garage", order_by=lambda: (Vehicle.name, Vehicle.id)
    )
    cars: Mapped[list[Car]] = relationship(viewonly=True)


class Vehicle(Base):
    """The base of a joined-table hierarchy; rows of its own exist too."""

    __tablename__ = "vehicle"
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "vehicle"}  # noqa: RUF012

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str]
    name: Mapped[str]
    garage_id: Mapped[int | None] = mapped_column(ForeignKey("garage.id"))

    garage: Mapped[Garage | None] = relationship(back_populates="vehicles")


class Car(Vehicle):
    """A subclass whose columns a load of the base leaves out; declares a many-to-one of its own."""

    __tablename__ = "car"
    __mapper_args__ = {"polymorphic_identity": "car"}  # noqa: RUF012

    id: Mapped[int] = mapped_column(ForeignKey("vehicle.id"), primary_key=True, autoincrement=False)
    doors: Mapped[int]
    spare_id: Mapped[int | None] = mapped_column(ForeignKey("wheel.id"))

    spare: Mapped[Wheel | None] = relationship()


class Truck(Vehicle):
    """A subclass whose columns a load of the base includes; declares a one-to-many of its own."""

    __tablename__ = "truck"
    __mapper_args__ = {"polymorphic_identity": "truck", "polymorphic_load": "inline"}  # noqa: RUF012

    id: Mapped[int] = mapped_column(ForeignKey("vehicle.id"), primary_key=True, autoincrement=False)
    payload: Mapped[int]

    trailers: Mapped[list[Trailer]] = relationship(
        back_populates="truck", order_by=lambda: (Trailer.id.desc(),)
    )


class Wheel(Base):
    """The target of a relation declared on a subclass."""

    __tablename__ = "wheel"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    size: Mapped[int]


class Trailer(Base):
    """Refers to a subclass."""

    __tablename__ = "trailer"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    axles: Mapped[int]
    truck_id: Mapped[int | None] = mapped_column(ForeignKey("truck.id"))

    truck: Mapped[Truck | None] = relationship(back_populates="trailers")


class Driver(Base):
    """Many-to-one to the base and to a subclass."""

    __tablename__ = "driver"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str]
    vehicle_id: Mapped[int | None] = mapped_column(ForeignKey("vehicle.id"))
    car_id: Mapped[int | None] = mapped_column(ForeignKey("car.id"))

    vehicle: Mapped[Vehicle | None] = relationship(foreign_keys=vehicle_id)
    car: Mapped[Car | None] = relationship(foreign_keys=car_id)


class Office(Base):
    """Has staff of every class, and engineers alone."""

    __tablename__ = "office"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str]

    staff: Mapped[list[Staff]] = relationship(back_populates="office")
    engineers: Mapped[list[Engineer]] = relationship(
        viewonly=True, order_by=lambda: (Engineer.language, Engineer.id)
    )


class Staff(Base):
    """The base of a single-table hierarchy."""

    __tablename__ = "staff"
    __mapper_args__ = {"polymorphic_on": "role", "polymorphic_identity": "staff"}  # noqa: RUF012

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    role: Mapped[str]
    name: Mapped[str]
    office_id: Mapped[int | None] = mapped_column(ForeignKey("office.id"))

    office: Mapped[Office | None] = relationship(back_populates="staff")


class Manager(Staff):
    """A subclass that declares a one-to-many to another subclass of the same table."""

    __mapper_args__ = {"polymorphic_identity": "manager"}  # noqa: RUF012

    budget: Mapped[int | None]

    engineers: Mapped[list[Engineer]] = relationship(
        back_populates="manager", foreign_keys=lambda: Engineer.manager_id
    )


class Engineer(Staff):
    """A subclass that declares a many-to-one to another subclass of the same table."""

    __mapper_args__ = {"polymorphic_identity": "engineer"}  # noqa: RUF012

    language: Mapped[str | None]
    manager_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))

    manager: Mapped[Manager | None] = relationship(
        back_populates="engineers",
        foreign_keys=lambda: Engineer.manager_id,
        remote_side=lambda: Manager.id,
    )


class Project(Base):
    """Many-to-one to the base and to a subclass of a single table."""

    __tablename__ = "project"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    title: Mapped[str]
    sponsor_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    lead_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))

    sponsor: Mapped[Staff | None] = relationship(foreign_keys=sponsor_id)
    lead: Mapped[Engineer | None] = relationship(foreign_keys=lead_id)
