"""Answers of a trained network over HTTP."""
