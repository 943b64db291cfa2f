"""Front ends: rich, plain, batch and embedded."""
