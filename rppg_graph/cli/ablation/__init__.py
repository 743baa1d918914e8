"""Ablation studies: what ``run.py ablate`` is made of."""
