"""Flow listings, groups, rates and expiry."""
