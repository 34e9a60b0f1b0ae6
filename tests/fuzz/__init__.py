"""Malformed input for everything that is read: strategies, what they are given to, the runner."""
