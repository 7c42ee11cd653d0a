"""Row criteria, writing side."""
