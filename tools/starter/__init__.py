"""The recipe that trains Easel's starter checkpoint from scratch."""
