"""netlab: a topology file becomes a plan, a picture, a network in the kernel, and proof by probes."""

__version__ = "0.1.0"
