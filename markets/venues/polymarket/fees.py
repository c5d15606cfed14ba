"""Polymarket fees."""
