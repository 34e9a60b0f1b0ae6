"""What a notebook or a script of one's own uses: train, open a run, ask it, score it."""
