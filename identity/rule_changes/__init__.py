"""Changing the rules: drafts and their impact, publishing, history, import and export."""
