"""``harmonize refine``: a trained network completes the labels of a data set."""
