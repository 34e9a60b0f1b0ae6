"""What labels mean: the tree, the mappings of data sets onto it, and the target space of a run."""
