"""Plugs for web frameworks, one folder each; the core knows none of them."""
