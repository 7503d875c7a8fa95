"""Train the embedded network."""
