"""`python -m recovery` is `medic`."""

from recovery.cli import main

main(prog_name="medic")
