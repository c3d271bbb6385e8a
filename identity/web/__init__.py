"""The foundation of all pages and APIs: guards, errors, headers, forms, layout."""
