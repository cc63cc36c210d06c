"""Model files as modules, and who may keep how many of them in memory."""
