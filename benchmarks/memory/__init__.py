"""How much memory a write of rows that come one by one takes, in a process of its own."""
