"""Trees held against what a network finds alike, and trees made from it."""
