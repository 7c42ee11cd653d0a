"""A primary and two streaming replicas: where reads go, how fast, and whether anybody sees less than they wrote."""
