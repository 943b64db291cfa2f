"""snatd: the API over a Unix socket, roles and audit."""
