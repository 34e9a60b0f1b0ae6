"""Packages of trained runs: pushed to a folder, a store or a hub, and pulled from there."""
