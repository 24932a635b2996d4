"""The checks of `make pr` besides the tests: English, generated files, the inlined template, the built artefacts."""
