"""What `make pr` checks beside the tests: generated files, the inlined template, the built artifacts."""
