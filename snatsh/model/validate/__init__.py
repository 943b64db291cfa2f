"""Checks of a whole profile, one module per subject."""
