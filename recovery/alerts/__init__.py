"""How people are told: one file per channel, and the messages they carry."""

from recovery.model import Registry

REGISTRY = Registry("channel")
channel = REGISTRY.announce

REGISTRY.import_all(__name__, list(__path__))
