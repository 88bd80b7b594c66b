"""Packs, losses, recipes, the training loop, evaluation and the model registry."""
