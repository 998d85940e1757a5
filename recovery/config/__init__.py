"""The configuration: settings declared once, loaded with every problem at once."""

from recovery.config.components import Component, Restart
from recovery.config.load import load_config
from recovery.config.problems import ConfigProblems, Problem
from recovery.config.secrets import ensure_secrets
from recovery.config.sections import Channel, CheckUse, N8n, Settings
from recovery.config.settings import Config
from recovery.config.types import show_duration

__all__ = [
    "Channel",
    "Component",
    "Config",
    "ConfigProblems",
    "N8n",
    "CheckUse",
    "Problem",
    "Restart",
    "Settings",
    "ensure_secrets",
    "load_config",
    "show_duration",
]
