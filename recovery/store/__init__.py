"""The only SQL. One file of plain verbs per word: add_, find_, claim_, finish_."""
