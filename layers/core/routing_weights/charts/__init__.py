"""Pictures as SVG. Only a function that draws imports this package."""
