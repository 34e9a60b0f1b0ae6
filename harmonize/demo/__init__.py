"""Two small data sets of drawn faces."""
