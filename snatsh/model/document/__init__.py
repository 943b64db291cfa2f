"""A profile as a document: nested dicts, with marks on statements."""
