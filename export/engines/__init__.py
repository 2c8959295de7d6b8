"""Inference engines: run exported files, or measure their memory."""
