"""How much one operation may ask for, and how that is counted before anything is read."""
