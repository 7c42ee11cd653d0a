"""Bulk writes: many rows with few statements, by the fastest way that gives the same result as the ORM."""
