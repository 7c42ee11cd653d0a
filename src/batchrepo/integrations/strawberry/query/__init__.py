"""What one query asks for: its selections, the plan of what is read for them, and the resolvers that give it."""
