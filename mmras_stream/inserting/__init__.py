"""Put things that were never there into real drives, with the truth about every pixel."""
