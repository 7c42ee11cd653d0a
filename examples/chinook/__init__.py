"""The Chinook store: models, data and a loader that the example applications share."""
