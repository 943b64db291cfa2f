"""Pipes: what happens to an answer on its way to the screen."""
