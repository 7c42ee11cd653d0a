"""Data for keys of every type."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal

from hypothesis import strategies as st

from batchrepo.testing.contract.data.building import KEYS, NAMES, Rows, keyed, names, reference, table
from batchrepo.testing.contract.models.keytypes import Severity

DEVICES = (
    uuid.UUID(int=0),
    uuid.UUID(int=1),
    uuid.UUID("00112233-4455-6677-8899-aabbccddeeff"),
    uuid.UUID(int=7),
)
DIGESTS = (b"\xff\xfe", b"", b"\x00", b"text", b"\x00\x01")
PERCENTS = (Decimal("0.10"), Decimal("0.00"), Decimal("-1.50"), Decimal("19.99"))
DATES = (dt.date(2024, 2, 29), dt.date(1, 1, 1), dt.date(1969, 12, 31), dt.date(9999, 12, 31))

SAMPLE: Rows = {
    "device": table("id label", *((key, f"device {n}") for n, key in enumerate(DEVICES))),
    "currency": table("code label", *((key, f"currency {n}") for n, key in enumerate(NAMES[:5]))),
    "level": table("severity label", *((key, key.name.lower()) for key in Severity)),
    "document": table("digest label", *((key, f"document {n}") for n, key in enumerate(DIGESTS))),
    "rate": table("percent label", *((key, f"rate {n}") for n, key in enumerate(PERCENTS))),
    "day": table("date label", *((key, f"day {n}") for n, key in enumerate(DATES))),
    "ping": table(
        "id device_id currency_code severity digest percent date",
        (1, DEVICES[0], "a", Severity.LOW, DIGESTS[0], PERCENTS[0], DATES[0]),
        (2, DEVICES[0], "A", Severity.LOW, DIGESTS[0], PERCENTS[0], DATES[0]),
        (3, DEVICES[2], "", Severity.NONE, DIGESTS[1], PERCENTS[1], DATES[1]),
        (0, None, None, None, None, None, None),
        (4, DEVICES[1], "ä", Severity.HIGH, DIGESTS[2], PERCENTS[2], DATES[2]),
        (5, None, "a", None, DIGESTS[4], None, DATES[2]),
    ),
}
"""The all-zero UUID, empty text and bytes, bytes that no encoding has, decimals that no float has."""


@st.composite
def rows(draw: st.DrawFn) -> Rows:
    """Any small set of rows with such keys."""
    devices = draw(keyed("id", DEVICES, label=names))
    currencies = draw(keyed("code", NAMES, label=names))
    levels = draw(keyed("severity", tuple(Severity), label=names))
    documents = draw(keyed("digest", DIGESTS, label=names))
    rates = draw(keyed("percent", PERCENTS, label=names))
    days = draw(keyed("date", DATES, label=names))
    return {
        "device": devices,
        "currency": currencies,
        "level": levels,
        "document": documents,
        "rate": rates,
        "day": days,
        "ping": draw(
            keyed(
                "id",
                KEYS,
                device_id=reference(devices),
                currency_code=reference(currencies, "code"),
                severity=reference(levels, "severity"),
                digest=reference(documents, "digest"),
                percent=reference(rates, "percent"),
                date=reference(days, "date"),
            )
        ),
    }
