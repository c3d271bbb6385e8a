"""The screens of the console, one module for each, on the blueprint of `frame`."""
