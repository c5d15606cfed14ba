"""Mutation testing of the pure modules that move money: a test suite that notices nothing proves nothing."""
