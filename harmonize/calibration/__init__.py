"""Probabilities that hold: temperatures, and backing off to the node that is sure enough."""
