"""The command line: what a planner types. It only calls the API that the documentation has."""
