"""The commands around a network, each from start to end: train, evaluate, calibrate."""
