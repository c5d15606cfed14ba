"""Polymarket parse."""
