"""What labels mean: the tree, the mappings of data sets onto it, their encodings, the target space."""
