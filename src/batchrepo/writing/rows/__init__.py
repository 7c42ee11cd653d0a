"""What comes in: rows of any kind as tuples of equal columns, and what the mapper says of those columns."""
