"""Side by side with peers: each module here answers one question; its answer is kept in `results/`."""
