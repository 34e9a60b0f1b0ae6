"""Reading pictures and labels, and mixing data sets."""
