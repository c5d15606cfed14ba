"""Branch coverage of the modules that can lose money, area by area."""
