"""Data for custom join conditions."""

from __future__ import annotations

from hypothesis import strategies as st

from batchrepo.testing.contract.data.building import TIMES, Rows, keyed, names, reference, table

SAMPLE: Rows = {
    "team": table("id name is_active", (1, "Reds", True), (0, "Blues", False), (2, "Bare", True)),
    "member": table(
        "id name kind team_id guest_team_id",
        (1, "Ann", "lead", 1, 0),
        (2, "Bob", "lead", 1, 1),
        (3, "Cid", "player", 1, None),
        (4, "Dan", "lead", 0, 1),
        (5, "Eve", "player", None, 0),
        (6, "Fay", "lead", None, None),
    ),
    "account": table("id email", (1, "Ann@x"), (2, "ANN@X"), (0, ""), (3, None), (4, "nobody@x")),
    "login": table(
        "id address", (1, "ann@x"), (2, "ann@x"), (3, "aNN@x"), (4, ""), (5, None), (6, "other@x")
    ),
    "time_window": table(
        "id sensor starts_at ends_at",
        (1, "s", TIMES[0], TIMES[2]),
        (2, "s", TIMES[1], TIMES[2]),
        (3, "t", TIMES[0], TIMES[2]),
        (4, "s", TIMES[0], TIMES[0]),
        (5, "u", TIMES[0], TIMES[4]),
    ),
    "sample": table(
        "id sensor taken_at",
        (1, "s", TIMES[0]),
        (2, "s", TIMES[3]),
        (3, "s", TIMES[1]),
        (4, "s", TIMES[2]),
        (5, "t", TIMES[1]),
        (6, "t", TIMES[4]),
    ),
}
"""Members whose two teams are one, addresses in several cases, overlapping and empty windows, equal instants."""

KINDS = st.sampled_from(["lead", "player", "Lead", ""])
ADDRESSES = st.sampled_from([None, "", "x@a", "X@A", "x@b"])
SENSORS = st.sampled_from(["s", "t", ""])


@st.composite
def rows(draw: st.DrawFn) -> Rows:
    """Any small set of teams, accounts and windows of time."""
    teams = draw(keyed("id", name=names, is_active=st.booleans()))
    return {
        "team": teams,
        "member": draw(
            keyed(
                "id",
                at_most=6,
                name=names,
                kind=KINDS,
                team_id=reference(teams),
                guest_team_id=reference(teams),
            )
        ),
        "account": draw(keyed("id", email=ADDRESSES)),
        "login": draw(keyed("id", at_most=6, address=ADDRESSES)),
        "time_window": draw(
            keyed("id", sensor=SENSORS, starts_at=st.sampled_from(TIMES), ends_at=st.sampled_from(TIMES))
        ),
        "sample": draw(keyed("id", at_most=6, sensor=SENSORS, taken_at=st.sampled_from(TIMES))),
    }
