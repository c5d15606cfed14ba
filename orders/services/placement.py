"""Order placement: filled by the execution stage."""
