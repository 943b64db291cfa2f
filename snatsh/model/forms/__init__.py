"""The YAML, set and curly forms of a document."""
