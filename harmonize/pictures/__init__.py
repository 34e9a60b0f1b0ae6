"""Picture files: opened safely, and read as RGB."""
