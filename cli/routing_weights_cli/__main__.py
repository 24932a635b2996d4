"""`python -m routing_weights_cli`."""

from routing_weights_cli.main import run

run()
