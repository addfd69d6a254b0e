"""Blocks: what three or more models share unchanged."""
