"""What a user declares: computed attributes, row criteria, orders, policies."""
