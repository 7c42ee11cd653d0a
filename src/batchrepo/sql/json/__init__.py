"""JSON that a database writes as text: how each type is written exactly, and how the texts are put together."""
