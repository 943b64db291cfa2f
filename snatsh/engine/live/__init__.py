"""What live consoles look at: read while somebody looks, and once for all who do."""
