"""Video decoders beside the built-in one."""
