"""The pages from typing an address to its verification."""
