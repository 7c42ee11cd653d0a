"""From views to read plans: what to read, as a frozen value, before anything decides how."""
