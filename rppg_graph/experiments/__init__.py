"""Runs under one plan: trained, measured, tabled."""
