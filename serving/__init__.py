"""Inference on whole pictures."""
