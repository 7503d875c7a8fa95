"""Draw road scenes of which every pixel is known."""
