"""Readers of recorded data of other makers, one file each."""
