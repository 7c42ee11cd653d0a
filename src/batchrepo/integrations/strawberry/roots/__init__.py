"""Root fields: one row by its key, lists, and connections of all rows."""
