"""Sessions, grammar, completion and answers."""
