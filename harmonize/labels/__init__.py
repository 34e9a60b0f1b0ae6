"""What labels mean: the tree, mappings of data sets onto it, their encodings, the target space."""
