"""Run networks on pictures."""
