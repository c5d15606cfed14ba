"""A seeded model of order submission: one thread, a virtual clock, a venue that does its worst."""
