"""Answers as annotations: projects that people correct in the tool of their choice."""
