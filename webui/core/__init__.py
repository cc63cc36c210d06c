"""Vocabulary every part of Easel shares: requests, results, messages, errors.

Nothing in this package imports torch, Gradio or FastAPI, or touches the disk.
"""
