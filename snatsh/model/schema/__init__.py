"""The schema of a profile, and statements as paths in it."""
