"""Polymarket feed."""
