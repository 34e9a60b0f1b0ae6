"""Processes, signals, files, threads and compilers: the machine below everything else."""
