"""The hierarchical loss."""
