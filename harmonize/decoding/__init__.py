"""From logits to answers that agree at every depth of the tree."""
