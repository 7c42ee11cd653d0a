"""New rows: from the input, or below a parent that the scope may see."""
