"""A network between client and database, of a known round trip."""
