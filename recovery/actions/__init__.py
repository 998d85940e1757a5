"""The actions, one file each: an action changes something so that a component works again."""

from recovery.model import Registry

REGISTRY = Registry("action")
action = REGISTRY.announce

REGISTRY.import_all(__name__, list(__path__))
