"""Packet test, trace, and ping from a pool address."""
