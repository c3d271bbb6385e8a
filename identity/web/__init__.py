"""What every page and every API stands on: guards, errors, headers, forms, layout."""
