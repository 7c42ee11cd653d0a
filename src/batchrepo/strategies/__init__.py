"""Ways to execute a read plan."""
