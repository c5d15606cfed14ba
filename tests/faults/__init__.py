"""The fault harness: real services (L1), real processes (L2), and the schedules that once failed."""
