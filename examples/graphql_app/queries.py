"""Queries to try: what each reads, and how many statements it takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from examples.chinook import listing


@dataclass(frozen=True)
class Example:
    """A query to try.

    Attributes:
        title: what it reads.
        text: what is to be seen there.
        query: the document.
        statements: how many SQL statements it takes.
        variables: of the operation.
        code: of the error that it gives, or None.
        by_postgresql: how many it takes where PostgreSQL writes answers itself, if that is fewer.
    """

    title: str
    text: str
    query: str
    statements: int
    variables: Mapping[str, Any] = field(default_factory=dict)
    code: str | None = None
    by_postgresql: int | None = None

    def statements_in(self, dialect: str) -> int:
        """How many SQL statements it takes in a database."""
        fewer = self.by_postgresql if dialect == "postgresql" else None
        return self.statements if fewer is None else fewer


PAGES = (
    Example(
        "All 347 albums with artist, tracks and genres",
        "3,503 tracks. One statement for each relation that the query follows, whatever the number of rows.",
        listing.GRAPHQL.strip(),
        5,
    ),
    Example(
        "Two albums, the same fields",
        "As many statements: the number depends on what is selected, never on how much of it.",
        listing.GRAPHQL.strip().replace("first: 400", "first: 2"),
        5,
    ),
    Example(
        "A page, and how many rows there are",
        "The total is counted because it is selected; without it this is one statement. Give `endCursor` as `after` for the next "
        "page: page 1,000 costs little more than page 1.",
        """query Albums($first: Int!, $after: String) {
  albums(first: $first, after: $after) {
    totalCount
    pageInfo { hasNextPage endCursor }
    edges { cursor node { title } }
  }
}""",
        2,
        {"first": 3},
    ),
    Example(
        "Backwards from the end",
        "The last three tracks that the store has.",
        """{
  tracks(last: 3) {
    pageInfo { hasPreviousPage startCursor }
    edges { node { name album { title } } }
  }
}""",
        2,
        by_postgresql=1,
    ),
    Example(
        "Pages in pages, under two aliases",
        "Each artist has pages of their own, forward and backward; one statement for each alias, not for each artist.",
        """{
  artists(first: 20) {
    edges {
      node {
        name
        oldest: albums(first: 1) {
          edges { node { title tracks(first: 2) { totalCount edges { node { name } } } } }
        }
        newest: albums(last: 1) {
          edges { node { title tracks(last: 2) { edges { node { name genre { name } } } } } }
        }
      }
    }
  }
}""",
        7,
    ),
)
"""About connections."""

FILTERS = (
    Example(
        "“rock” in the title, the most tracks first",
        "What there is to filter and sort by is what the repository declares, the same as over REST.",
        """{
  albums(where: {title: {icontains: "rock"}}, orderBy: [TRACK_COUNT_DESC]) {
    totalCount
    edges { node { title artistName trackCount } }
  }
}""",
        4,
        by_postgresql=2,
    ),
    Example(
        "Groups: by Iron Maiden, or with 25 tracks and more",
        "A filter by a column of the artist reads no artists.",
        """{
  albums(where: {or: [{artistName: {eq: "Iron Maiden"}}, {trackCount: {ge: 25}}]}, first: 50) {
    edges { node { title } }
  }
}""",
        1,
    ),
    Example(
        "Filters and orders at every level",
        "The longest Rock tracks of the albums of artists with ten albums and more: a page of them for each album.",
        """{
  artists(where: {albumCount: {ge: 10}}, orderBy: [ALBUM_COUNT_DESC]) {
    edges {
      node {
        name albumCount
        albums(first: 3, orderBy: [DURATION_DESC, TITLE_ASC]) {
          edges {
            node {
              title duration
              tracks(
                first: 2
                where: {genreName: {eq: "Rock"}}
                orderBy: [MILLISECONDS_DESC]
              ) {
                totalCount
                edges { node { name milliseconds } }
              }
            }
          }
        }
      }
    }
  }
}""",
        5,
    ),
    Example(
        "Invoices of 2010 over 15 dollars, by a variable",
        "`year` is a filter written in Python; the input's type comes from its annotation.",
        """query Invoices($where: InvoiceFilter) {
  invoices(where: $where, orderBy: [TOTAL_DESC, INVOICE_DATE_ASC]) {
    edges { node { invoiceDate total customer { firstName lastName } } }
  }
}""",
        2,
        {"where": {"year": 2010, "total": {"gt": "15"}}},
        by_postgresql=1,
    ),
    Example(
        "Customers who were buying in December 2011",
        "From the first to the last invoice: a range of time that meets another.",
        """{
  customers(
    where: {buying: {overlaps: ["2011-12-01T00:00:00", "2012-01-01T00:00:00"]}}
    orderBy: [TOTAL_SPENT_DESC]
    first: 5
  ) {
    totalCount
    edges { node { firstName lastName totalSpent latestInvoice { invoiceDate total } } }
  }
}""",
        4,
    ),
)
"""About filters and orders."""

COMPUTED = (
    Example(
        "Counts, sums, the first three, the longest, the long ones",
        "Computed attributes of the repository: read for all albums together, as everything else.",
        """{
  albums(first: 10) {
    edges {
      node {
        title trackCount duration
        firstTracks { name }
        longest { name milliseconds }
        longTracks { name milliseconds }
      }
    }
  }
}""",
        5,
        by_postgresql=1,
    ),
    Example(
        "Playlists, and on which others their tracks are",
        "Many-to-many in both directions. The longest playlist has 3,290 tracks; only its page is read.",
        """{
  playlists(first: 5) {
    edges {
      node {
        name
        trackCount
        tracks(first: 3) {
          edges { node { name playlists(first: 5) { totalCount edges { node { name } } } } }
        }
      }
    }
  }
}""",
        5,
    ),
    Example(
        "Three things at once",
        "Root fields of one query run side by side and share one scope.",
        """{
  artist(id: 90) { name albumCount }
  album(id: 94) { title artist { name } }
  genres(first: 3) { edges { node { name trackCount } } }
}""",
        6,
        by_postgresql=3,
    ),
)
"""About computed attributes and relations."""

SALES = (
    Example(
        "Who sells how much, and who reports to whom",
        "A table that refers to itself, two levels down; the sales of everybody are summed over two tables.",
        """{
  employee(id: 1) {
    fullName title
    reports(first: 10) {
      edges {
        node {
          fullName title sales customerCount
          reports(first: 10, orderBy: [SALES_DESC]) {
            totalCount
            edges { node { fullName title sales customerCount } }
          }
        }
      }
    }
  }
}""",
        8,
    ),
    Example(
        "Customers with their newest invoices",
        "A page of invoices for each customer, and the tracks of each invoice with their artists: six levels.",
        """{
  customers(first: 5) {
    edges {
      node {
        firstName lastName country totalSpent
        supportRep { fullName }
        invoices(first: 2, orderBy: [INVOICE_DATE_DESC]) {
          totalCount
          edges {
            node {
              invoiceDate total
              lines(first: 3) {
                edges { node { quantity track { name album { artist { name } } } } }
              }
            }
          }
        }
      }
    }
  }
}""",
        8,
    ),
)
"""About customers and employees."""

BY_HAND = (
    Example(
        "What Canada buys most: a resolver of one's own",
        "It runs a statement of its own and gives keys. What is selected of the tracks is read for all of them together.",
        """{
  bestSellers(country: "Canada", first: 5) {
    quantity
    track { name album { title artist { name } } }
  }
}""",
        4,
    ),
    Example(
        "One thing by its global id",
        "Any type with an id; here the first album.",
        """{
  node(id: "QWxidW06MQ==") {
    id
    ... on Album { title artist { id name } }
  }
}""",
        2,
    ),
    Example(
        "Many things by their ids",
        "One statement for each type, whatever the number of ids. One that is not there is null.",
        """{
  nodes(ids: ["QWxidW06MQ==", "VHJhY2s6MQ==", "QWxidW06Mg==", "QWxidW06OTk5OQ=="]) {
    id
    ... on Album { title }
    ... on Track { name genre { name } }
  }
}""",
        3,
    ),
)
"""About what is written by hand, and ids."""

WRITING = (
    Example(
        "Place an order",
        "An invoice with its lines in one transaction, and what is selected of it read in there. `dryRun` takes everything back "
        "after it was answered; leave it out, and the order stands.",
        """mutation {
  placeOrder(
    customer: "Q3VzdG9tZXI6MQ=="
    lines: [{track: "VHJhY2s6MQ==", quantity: 2}, {track: "VHJhY2s6MTA=", quantity: 1}]
    dryRun: true
  ) {
    total
    customer { firstName lastName }
    lines(first: 5) { edges { node { quantity unitPrice track { name } } } }
  }
}""",
        12,
    ),
    Example(
        "Rock becomes a tenth dearer",
        "1,297 tracks by one UPDATE; their new prices are read after it.",
        """mutation {
  repriceGenre(genre: "R2VucmU6MQ==", percent: 10, dryRun: true) {
    name trackCount
    tracks(first: 3) { edges { node { name unitPrice } } }
  }
}""",
        7,
    ),
    Example(
        "A part of a catalogue: a new track, one that is known, and one that comes twice",
        "Good rows are inserted or updated by one statement, inside a savepoint. The others are named, with the reason.",
        """mutation Catalogue($rows: [CatalogueTrack!]!) {
  upsertCatalogue(rows: $rows, dryRun: true) {
    count
    rows { databaseId name unitPrice album { title } }
    errors { index kind message columns }
  }
}""",
        7,
        {
            "rows": [
                {
                    "databaseId": key,
                    "name": name,
                    "album": album,
                    "genre": "R2VucmU6MQ==",
                    "mediaTypeId": 1,
                    "milliseconds": 200_000,
                    "bytes": 5_000_000,
                    "unitPrice": "1.29",
                }
                for key, name, album in (
                    (4001, "A new song", "QWxidW06MQ=="),
                    (1, "For Those About to Rock", "QWxidW06MQ=="),
                    (4001, "A new song, again", "QWxidW06MQ=="),
                )
            ]
        },
    ),
    Example(
        "Two at once, of which one fails",
        "Each field has a transaction of its own: what is written by the second is there, whatever became of the first.",
        """mutation {
  nobody: placeOrder(
    customer: "Q3VzdG9tZXI6OTk5OQ==", lines: [{track: "VHJhY2s6MQ==", quantity: 2}], dryRun: true
  ) { total }
  somebody: placeOrder(
    customer: "Q3VzdG9tZXI6MQ==", lines: [{track: "VHJhY2s6MQ==", quantity: 2}], dryRun: true
  ) { total }
}""",
        6,
        code="NOT_FOUND",
    ),
)
"""About mutations. None leaves anything behind."""

ERRORS = (
    Example(
        "An album that does not exist",
        "The field does not allow null, so that this is an error.",
        "{ album(id: 9999) { title } }",
        1,
        code="NOT_FOUND",
    ),
    Example(
        "More than a page may have",
        "Refused before anything is read.",
        "{ tracks(first: 5000) { edges { node { name } } } }",
        0,
        code="INVALID_ARGUMENT",
    ),
    Example(
        "A cursor of another list",
        "It is one of tracks. A cursor knows its list and order; a foreign or damaged one never gives a wrong page.",
        '{ albums(first: 3, after: "Aech5QgScc8lEnHPJVszNTAxXV4SOPw") { edges { node { title } } } }',
        0,
        code="INVALID_ARGUMENT",
    ),
    Example(
        "A filter with a value that it does not take",
        "The message has the place in the query.",
        "{ albums(where: {or: [{lasting: 0}, {trackCount: {ge: 20}}]}) { totalCount } }",
        0,
        code="INVALID_ARGUMENT",
    ),
    Example(
        "Pages in pages in pages",
        "125 million rows at most, if every page were full: counted from the query alone.",
        """{
  artists(first: 500) {
    edges {
      node {
        albums(first: 500) {
          edges { node { tracks(first: 500) { edges { cursor } } } }
        }
      }
    }
  }
}""",
        0,
        code="LIMIT_EXCEEDED",
    ),
)
"""About what is refused."""

EXAMPLES: dict[str, tuple[Example, ...]] = {
    "Pages": PAGES,
    "Filters and orders": FILTERS,
    "Computed attributes and relations": COMPUTED,
    "Sales": SALES,
    "Resolvers of one's own, and global ids": BY_HAND,
    "Mutations, which are taken back": WRITING,
    "Errors": ERRORS,
}
"""The queries by their headings."""
