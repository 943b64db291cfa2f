"""Pool usage over time."""
