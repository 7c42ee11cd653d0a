"""Rows that are refused: found, named, and left out where that is asked for."""
