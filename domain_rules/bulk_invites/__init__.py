"""A list of people as somebody has it (a spreadsheet, a text): read, and every row checked by the rules."""
