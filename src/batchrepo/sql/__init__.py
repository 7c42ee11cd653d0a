"""Pure statement builders. What differs between databases is in `keys` and `limits`; nothing here runs anything."""
