"""Changes of rules: prepared, checked, approved, applied, rolled back; history, import and export."""
