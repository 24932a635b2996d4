"""Measurements, printed as tables; ratios come from one run. `make bench`."""
