"""The engine: everything that imports torch. Only the worker process imports this package."""
