"""What runs learned, on one page that opens from disk."""
