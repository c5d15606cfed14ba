"""Filled by the dashboard stage."""
