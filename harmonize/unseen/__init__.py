"""How far answers can be trusted on pictures without labels."""
