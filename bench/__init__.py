"""`make bench`: figures as ratios, alternatives taken in turn in one run. Nothing here is a test."""
