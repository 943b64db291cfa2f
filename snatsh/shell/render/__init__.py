"""Text for terminals: tables, problems, colours."""
