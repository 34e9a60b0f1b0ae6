"""Drafting the mapping of a new data set from its folder."""
