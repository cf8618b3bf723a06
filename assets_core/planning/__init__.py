"""What is stale and why: set-based, on arrays of partition ordinals, from the catalog."""
