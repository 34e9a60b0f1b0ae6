"""What people run around a training: checks, drafts of mappings, studies, benchmarks."""
