"""Changes of rules: drafts, whom they affect, publishing, history, import and export."""
