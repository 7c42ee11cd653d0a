"""Rows that become parts of the answer as a whole, past the executor, which would visit each of their fields."""
