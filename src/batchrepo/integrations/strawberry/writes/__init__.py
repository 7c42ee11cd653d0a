"""What mutations write: inputs made of writable columns, fields that write, and what they give."""
