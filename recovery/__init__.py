"""n8n-medic's engine: signals become incidents, incidents are healed in stages, people are called when that fails."""

__version__ = "0.1.0"
