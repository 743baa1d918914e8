"""Fitting a network: the trainer and its losses."""
