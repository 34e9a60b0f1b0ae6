"""How fast the loss, the loader, training and scoring are, each beside a baseline."""
