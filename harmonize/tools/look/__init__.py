"""Training samples as the network gets them, on one page."""
