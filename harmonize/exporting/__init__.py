"""Trained networks as files that run without this project: ONNX, and programs of PyTorch."""
