"""The web: takes signals and orders in, shows what is. Decides nothing."""
