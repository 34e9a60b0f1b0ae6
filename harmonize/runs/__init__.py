"""Run folders: their files, their checkpoints, and which keys make a run the same run."""
