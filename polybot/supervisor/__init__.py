"""Starts, watches and stops the desk's processes. Standard library only: it must run before Django can."""
