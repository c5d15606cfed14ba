"""Same-run comparisons of the feed's hot paths with the plain way of doing the same work."""
