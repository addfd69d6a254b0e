"""How the notebooks become the book: a Sphinx extension, the Plotly renderer, the slides, the build.

Nothing here is needed to use the models; the modules import Sphinx, myst-nb and others only where they run.
"""
