"""Follow scores and regions over time."""
