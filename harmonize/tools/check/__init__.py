"""What is wrong with trees, mappings, configs and label files, found before anything is trained."""
