"""Scoring in each data set's own classes."""
