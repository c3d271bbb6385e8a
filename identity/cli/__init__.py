"""The command line: `guichet <noun> <verb>`, one module per noun, over the same use cases as the pages."""
