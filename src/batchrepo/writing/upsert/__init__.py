"""New rows, or those that are there already."""
