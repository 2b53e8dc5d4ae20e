"""Prediction without the interpreter: `freeze` turns a trained model into a plan of C calls."""

from .graph import Frozen, freeze, load_frozen

__all__ = ["Frozen", "freeze", "load_frozen"]
