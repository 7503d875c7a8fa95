"""Cut regions out of anomaly maps."""
