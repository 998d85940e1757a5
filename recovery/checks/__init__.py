"""The checks, one file each: a check looks at a component once, and both finds a failure and verifies a recovery."""

from recovery.model import Registry

REGISTRY = Registry("check")
check = REGISTRY.announce

REGISTRY.import_all(__name__, list(__path__))
