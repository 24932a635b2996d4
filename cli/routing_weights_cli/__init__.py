"""The command line: what a planner types. It only calls the API that the documentation has."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("routing-weights")
except PackageNotFoundError:  # it runs from the sources
    __version__ = "0"
