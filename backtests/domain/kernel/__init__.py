"""Compiled loops of the fast mode. Every function here is plain Python first: `compiled` makes machine code of it."""
