"""Parts of mmras-stream that can be deleted one by one."""
