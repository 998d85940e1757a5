"""The only code that touches the world, one small class for each kind of outside."""
