"""Measurements against the official clients, which only tests may import."""
