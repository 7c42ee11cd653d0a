"""Rows that are there: changed by key or by condition, and deleted."""
