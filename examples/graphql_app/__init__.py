"""The store over GraphQL."""
