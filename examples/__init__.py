"""The examples: a store, and two applications that serve it."""
