"""Dates as doctors write them; whatever is missing here is as Django has it."""
