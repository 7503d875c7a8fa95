"""The network and its scores against tensors of the original code."""
