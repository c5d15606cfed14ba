"""The composition root: wires the apps together and serves them. Nothing imports it from below."""

__version__ = "0.1.0"
