"""Operators with weights, one a file, named as the networks' papers name them."""
