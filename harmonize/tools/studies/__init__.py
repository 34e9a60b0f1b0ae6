"""Studies: several runs of one config that differ in one thing, and what became of it."""
