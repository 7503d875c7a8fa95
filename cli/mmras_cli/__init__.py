"""The command line of mmras-stream."""
