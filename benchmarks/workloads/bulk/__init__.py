"""What the bulk workloads share: their table, their rows, and how both are made anew before each request."""
