"""L1: the real services on PostgreSQL and a real local exchange; a seeded scheduler decides who goes on when."""
