"""Data sets without a common tree, joined upon one by what their networks see in each other."""
