"""Put things into real drives, or film drawn ones, with the truth about every pixel."""
