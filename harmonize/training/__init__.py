"""Training under Accelerate."""
