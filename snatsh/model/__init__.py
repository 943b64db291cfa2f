"""The profile: its schema, its forms, its rules of validity. Pure: no I/O and no root."""
