"""The life of an operation: its document, its scope, its errors, its report."""
