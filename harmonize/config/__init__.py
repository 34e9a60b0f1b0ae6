"""Configs and other YAML: parsed with places, checked against dataclasses."""
