"""Draw results for people; pure functions."""
