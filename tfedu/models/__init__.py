"""Models: one file per paper, named after it, read top-down."""
