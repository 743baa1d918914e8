"""Pulse from face video with graph neural networks."""

__version__ = "0.1.0"
