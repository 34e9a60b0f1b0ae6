"""Run folders: their files, their checkpoints, and what makes two runs the same."""
