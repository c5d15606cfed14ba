"""The gate: filled by the risk stage."""
