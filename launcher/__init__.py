"""What launch.py does, with nothing but the standard library."""
