"""One `spanledger.toml`, the environment and code: one precedence, one table of settings."""

from spanledger.config.errors import ConfigError
from spanledger.config.load import Document, find_file, load_settings, read_document
from spanledger.config.paths import default_data_dir
from spanledger.config.settings import (
    AlertSettings,
    BudgetShortcut,
    ErrorSettings,
    ExportSettings,
    GateSettings,
    GuardSettings,
    HistorySettings,
    PricingSettings,
    RedactionSettings,
    ScriptSettings,
    Settings,
    WarehouseSettings,
    settings_table,
)

__all__ = [
    "AlertSettings",
    "BudgetShortcut",
    "ConfigError",
    "Document",
    "ErrorSettings",
    "ExportSettings",
    "GateSettings",
    "GuardSettings",
    "HistorySettings",
    "PricingSettings",
    "RedactionSettings",
    "ScriptSettings",
    "Settings",
    "WarehouseSettings",
    "default_data_dir",
    "find_file",
    "load_settings",
    "read_document",
    "settings_table",
]
