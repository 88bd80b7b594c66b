"""Colour science and networks: plain PyTorch, no I/O beyond loading weights."""
