"""One person across all stories: what is known, exported, erased, adopted; and guests' ends."""
