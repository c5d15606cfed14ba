"""L2: a whole desk with a sandbox account, its processes killed and stopped, its stores and wires troubled."""
