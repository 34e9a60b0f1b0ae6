"""Answers of a trained network for pictures without labels."""
