"""Files that outlive snatd, and locks."""
